package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"capnproto.org/go/capnp/v3"
	"capnproto.org/go/capnp/v3/exc"
	"capnproto.org/go/capnp/v3/server"
	"capnproto.org/go/capnp/v3/std/capnp/persistent"

	"sturdy/schema/peer"
	"sturdy/schema/sturdy"
)

// state is what the methods of the peer share. Where a method waits it lets the next call begin, so that several run
// at the same time.
type state struct {
	sync.Mutex
	hanging, cancelled, live uint32
	waiting                  []chan uint32
	kept                     peer.Callback
}

// made is an object that is counted while it lives.
type made struct{ state *state }

func (s *state) make() peer.Callback {
	s.Lock()
	defer s.Unlock()
	s.live++
	return peer.Callback_ServerToClient(made{s})
}

func (m made) Call(_ context.Context, call peer.Callback_call) error {
	results, err := call.AllocResults()
	if err == nil {
		results.SetAnswer(call.Args().Number())
	}
	return err
}

// Shutdown is called by the library when nobody holds the object any more.
func (m made) Shutdown() {
	m.state.Lock()
	defer m.state.Unlock()
	m.state.live--
}

// linkAt is a link of a chain that never ends.
type linkAt uint32

func (at linkAt) Next(_ context.Context, call peer.Link_next) (err error) {
	defer recovered(&err)
	step := must(call.AllocResults())
	next := peer.Link_ServerToClient(at + 1)
	try(step.SetLink(next.AddRef()))
	try(must(must(step.NewNested()).NewDeeper()).SetLink(next))
	return nil
}

func (at linkAt) Depth(_ context.Context, call peer.Link_depth) error {
	results, err := call.AllocResults()
	if err == nil {
		results.SetDepth(uint32(at))
	}
	return err
}

type sink struct {
	writes     uint32
	bytes      uint64
	outOfOrder bool
}

func (s *sink) Write(_ context.Context, call peer.Sink_write) error {
	data, err := call.Args().Data()
	s.outOfOrder = s.outOfOrder || call.Args().Number() != s.writes
	s.writes++
	s.bytes += uint64(len(data))
	return err
}

func (s *sink) Done(_ context.Context, call peer.Sink_done) error {
	results, err := call.AllocResults()
	if err == nil {
		results.SetWrites(s.writes)
		results.SetBytes(s.bytes)
		results.SetInOrder(!s.outOfOrder)
	}
	return err
}

// saved is the object of this name.
type saved string

func (s saved) Name(_ context.Context, call peer.Saved_name) error {
	results, err := call.AllocResults()
	if err != nil {
		return err
	}
	return results.SetName(string(s))
}

func (s saved) Save(_ context.Context, call persistent.Persistent_save) (err error) {
	defer recovered(&err)
	results := must(call.AllocResults())
	ref := must(sturdy.NewSturdyRef(results.Segment()))
	try(ref.SetSecret([]byte("saved:" + string(s))))
	return results.SetSturdyRef(ref.ToPtr())
}

type peerServer struct {
	state
	self peer.Peer
}

func newPeer() peer.Peer {
	served := &peerServer{}
	hook := peer.Peer_NewServer(served)
	// The library's own refusal of a method that it does not know ends the program where the call was pipelined on an
	// answer that had not come.
	hook.HandleUnknownMethod = func(method capnp.Method) *server.Method {
		return &server.Method{Method: method, Impl: func(context.Context, *server.Call) error {
			return capnp.Unimplemented("unimplemented")
		}}
	}
	served.self = peer.Peer(capnp.NewClient(hook))
	return served.self
}

func (p *peerServer) Describe(_ context.Context, call peer.Peer_describe) (err error) {
	defer recovered(&err)
	results := must(call.AllocResults())
	try(results.SetLanguage("Go"))
	try(results.SetLibrary(library()))
	return nil
}

func (p *peerServer) Echo(_ context.Context, call peer.Peer_echo) (err error) {
	defer recovered(&err)
	given := must(call.Args().Value())
	checkSample(given)
	value := must(must(call.AllocResults()).NewValue())
	makeSample(value)
	try(value.SetCallback(given.Callback().AddRef()))
	callbacks := must(given.Callbacks())
	list := must(value.NewCallbacks(int32(callbacks.Len())))
	for i := 0; i < callbacks.Len(); i++ {
		try(list.Set(i, must(callbacks.At(i)).AddRef()))
	}
	return value.SetAnyCapability(given.AnyCapability().AddRef())
}

func (p *peerServer) Link(_ context.Context, call peer.Peer_link) (err error) {
	defer recovered(&err)
	return must(call.AllocResults()).SetLink(peer.Link_ServerToClient(linkAt(0)))
}

// answerOf calls a callback and waits for what it answers.
func answerOf(ctx context.Context, callback peer.Callback, number uint32) (uint32, error) {
	answer, release := callback.Call(ctx, withNumber(number))
	defer release()
	results, err := answer.Struct()
	if err != nil {
		return 0, err
	}
	return results.Answer(), nil
}

func withNumber(number uint32) func(peer.Callback_call_Params) error {
	return func(params peer.Callback_call_Params) error {
		params.SetNumber(number)
		return nil
	}
}

func (p *peerServer) CallBack(ctx context.Context, call peer.Peer_callBack) (err error) {
	defer recovered(&err)
	call.Go()
	times := call.Args().Times()
	answers := must(must(call.AllocResults()).NewAnswers(int32(times)))
	for number := uint32(0); number < times; number++ {
		answers.Set(int(number), must(answerOf(ctx, call.Args().Callback(), number)))
	}
	return nil
}

func (p *peerServer) Keep(_ context.Context, call peer.Peer_keep) error {
	p.keep(call.Args().Callback().AddRef())
	return nil
}

func (p *peerServer) keep(callback peer.Callback) {
	p.Lock()
	before := p.kept
	p.kept = callback
	p.Unlock()
	before.Release()
}

func (p *peerServer) Tell(ctx context.Context, call peer.Peer_tell) (err error) {
	defer recovered(&err)
	p.Lock()
	kept := p.kept.AddRef()
	p.Unlock()
	defer kept.Release()
	call.Go()
	if !kept.IsValid() {
		return errors.New("nothing was kept")
	}
	answer := must(answerOf(ctx, kept, call.Args().Number()))
	must(call.AllocResults()).SetAnswer(answer)
	return nil
}

func (p *peerServer) Drop(context.Context, peer.Peer_drop) error {
	p.keep(peer.Callback{})
	return nil
}

func (p *peerServer) Bounce(ctx context.Context, call peer.Peer_bounce) (err error) {
	defer recovered(&err)
	call.Go()
	results := must(call.AllocResults())
	left := call.Args().Left()
	if left == 0 {
		return nil
	}
	bounced, release := call.Args().Bouncer().Bounce(ctx, func(params peer.Bouncer_bounce_Params) error {
		params.SetLeft(left - 1)
		return params.SetPeer(p.self.AddRef())
	})
	defer release()
	results.SetBounces(must(bounced.Struct()).Bounces() + 1)
	return nil
}

func (p *peerServer) Reflect(_ context.Context, call peer.Peer_reflect) (err error) {
	defer recovered(&err)
	return must(call.AllocResults()).SetCallback(call.Args().Callback().AddRef())
}

func (p *peerServer) Later(_ context.Context, call peer.Peer_later) (err error) {
	defer recovered(&err)
	// The call that this one makes outlives this one.
	given, release := call.Args().Source().Give(context.Background(), nil)
	try(must(call.AllocResults()).SetCallback(given.Callback().AddRef()))
	go func() {
		<-given.Done()
		release()
	}()
	return nil
}

func (p *peerServer) Fail(_ context.Context, call peer.Peer_fail) (err error) {
	defer recovered(&err)
	return exc.New(exc.Type(call.Args().Type()), "", must(call.Args().Message_()))
}

func (p *peerServer) Relay(ctx context.Context, call peer.Peer_relay) (err error) {
	defer recovered(&err)
	call.Go()
	message := must(call.Args().Message_())
	relayed, release := call.Args().Thrower().Fail(ctx, func(params peer.Thrower_fail_Params) error {
		params.SetType(call.Args().Type())
		return params.SetMessage_(message)
	})
	defer release()
	_, err = relayed.Struct()
	var exception *exc.Exception
	if errors.As(err, &exception) {
		// What is wrapped in another error loses its type on its way out.
		return exception
	}
	return err
}

func (p *peerServer) Forward(ctx context.Context, call peer.Peer_forward) (err error) {
	defer recovered(&err)
	call.Go()
	next, release := call.Args().Link().Next(ctx, nil)
	defer release()
	return must(call.AllocResults()).SetLink(must(next.Struct()).Link().AddRef())
}

func (p *peerServer) Hang(ctx context.Context, call peer.Peer_hang) error {
	p.Lock()
	p.hanging++
	p.Unlock()
	call.Go()
	<-ctx.Done()
	p.Lock()
	defer p.Unlock()
	p.hanging--
	p.cancelled++
	return ctx.Err()
}

func (p *peerServer) Counts(_ context.Context, call peer.Peer_counts) (err error) {
	defer recovered(&err)
	counts := must(must(call.AllocResults()).NewCounts())
	p.Lock()
	defer p.Unlock()
	counts.SetHanging(p.hanging)
	counts.SetCancelled(p.cancelled)
	counts.SetLive(p.live)
	counts.SetWaiting(uint32(len(p.waiting)))
	return nil
}

func (p *peerServer) Make(_ context.Context, call peer.Peer_make) (err error) {
	defer recovered(&err)
	count := int(call.Args().Count())
	list := must(must(call.AllocResults()).NewMade(int32(count)))
	for i := 0; i < count; i++ {
		try(list.Set(i, p.make()))
	}
	return nil
}

func (p *peerServer) Same(_ context.Context, call peer.Peer_same) (err error) {
	defer recovered(&err)
	count := int(call.Args().Count())
	list := must(must(call.AllocResults()).NewMade(int32(count)))
	one := p.make()
	defer one.Release()
	for i := 0; i < count; i++ {
		try(list.Set(i, one.AddRef()))
	}
	return nil
}

func (p *peerServer) Blob(_ context.Context, call peer.Peer_blob) (err error) {
	defer recovered(&err)
	return must(call.AllocResults()).SetData(pattern(int(call.Args().Size())))
}

func (p *peerServer) Take(_ context.Context, call peer.Peer_take) (err error) {
	defer recovered(&err)
	data := must(call.Args().Data())
	results := must(call.AllocResults())
	results.SetSize(uint32(len(data)))
	results.SetIntact(isPattern(data))
	return nil
}

func (p *peerServer) Wait(ctx context.Context, call peer.Peer_wait) (err error) {
	defer recovered(&err)
	opened := make(chan uint32, 1)
	p.Lock()
	p.waiting = append(p.waiting, opened)
	p.Unlock()
	call.Go()
	select {
	case place := <-opened:
		must(call.AllocResults()).SetPlace(place)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *peerServer) Open(_ context.Context, call peer.Peer_open) (err error) {
	defer recovered(&err)
	p.Lock()
	opened := p.waiting
	p.waiting = nil
	p.Unlock()
	for place, each := range opened {
		each <- uint32(place)
	}
	must(call.AllocResults()).SetOpened(uint32(len(opened)))
	return nil
}

func (p *peerServer) Sink(_ context.Context, call peer.Peer_sink) (err error) {
	defer recovered(&err)
	return must(call.AllocResults()).SetSink(peer.Sink_ServerToClient(&sink{}))
}

func (p *peerServer) Save(_ context.Context, call peer.Peer_save) (err error) {
	defer recovered(&err)
	name := must(call.Args().Name())
	return must(call.AllocResults()).SetSaved(peer.Saved_ServerToClient(saved(name)))
}

func (p *peerServer) Exit(context.Context, peer.Peer_exit) error {
	os.Exit(0)
	return nil
}

type gate struct{ peer peer.Peer }

func (g gate) Restore(_ context.Context, call sturdy.Gate_restore) (err error) {
	defer recovered(&err)
	secret := string(must(must(call.Args().Ref()).Secret()))
	name, isSaved := strings.CutPrefix(secret, "saved:")
	switch {
	case secret == "peer":
		return must(call.AllocResults()).SetCap(capnp.Client(g.peer.AddRef()))
	case isSaved:
		return must(call.AllocResults()).SetCap(capnp.Client(peer.Saved_ServerToClient(saved(name))))
	}
	return errors.New("no such reference")
}

func serve(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	bootstrap := capnp.Client(sturdy.Gate_ServerToClient(gate{newPeer()}))
	fmt.Println("ready")
	for {
		socket, err := listener.Accept()
		if err != nil {
			return err
		}
		newConn(socket, bootstrap.AddRef())
	}
}

func join(file, name string) error {
	refs, err := readRefs(file)
	if err != nil {
		return err
	}
	own := newPeer()
	for first := true; ; first = false {
		connected, err := connectTo(refs.path)
		if err != nil {
			return err
		}
		restored, release := connected.restore(refs.secrets["switchboard"])
		plugged, releasePlug := peer.Switchboard(restored).Plug(context.Background(), func(params peer.Switchboard_plug_Params) error {
			return errors.Join(params.SetName(name), params.SetPeer(own.AddRef()))
		})
		if _, err := plugged.Struct(); err != nil {
			return err
		}
		releasePlug()
		release()
		if first {
			fmt.Println("ready")
		}
		<-connected.conn.Done()
	}
}
