package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"capnproto.org/go/capnp/v3"
	"capnproto.org/go/capnp/v3/exc"

	"sturdy/schema/peer"
)

const ownObjects = "what is saved through a broker must be an object of its domain"

// own is an object of this side: it remembers the numbers, and whether it was let go.
type own struct {
	sync.Mutex
	numbers  []uint32
	released bool
}

func (o *own) Call(_ context.Context, call peer.Callback_call) error {
	number := call.Args().Number()
	o.Lock()
	o.numbers = append(o.numbers, number)
	o.Unlock()
	results, err := call.AllocResults()
	if err == nil {
		results.SetAnswer(number + 1000)
	}
	return err
}

func (o *own) Shutdown() {
	o.Lock()
	defer o.Unlock()
	o.released = true
}

func (o *own) heard(wanted ...uint32) {
	o.Lock()
	defer o.Unlock()
	expect("what the object was told", fmt.Sprint(o.numbers), fmt.Sprint(wanted))
}

func (o *own) isReleased() bool {
	o.Lock()
	defer o.Unlock()
	return o.released
}

// source gives its callback when it may.
type source struct {
	callback peer.Callback
	given    chan struct{}
}

func (s source) Give(ctx context.Context, call peer.Source_give) (err error) {
	defer recovered(&err)
	select {
	case <-s.given:
		return must(call.AllocResults()).SetCallback(s.callback.AddRef())
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s source) Shutdown() { s.callback.Release() }

type thrower struct{}

func (thrower) Fail(_ context.Context, call peer.Thrower_fail) (err error) {
	defer recovered(&err)
	return exc.New(exc.Type(call.Args().Type()), "", must(call.Args().Message_()))
}

type bouncer struct{}

func (bouncer) Bounce(ctx context.Context, call peer.Bouncer_bounce) (err error) {
	defer recovered(&err)
	call.Go()
	results := must(call.AllocResults())
	left := call.Args().Left()
	if left == 0 {
		return nil
	}
	bounced, release := call.Args().Peer().Bounce(ctx, func(params peer.Peer_bounce_Params) error {
		params.SetLeft(left - 1)
		return params.SetBouncer(peer.Bouncer_ServerToClient(bouncer{}))
	})
	defer release()
	results.SetBounces(must(bounced.Struct()).Bounces() + 1)
	return nil
}

// client runs the list.
type client struct {
	refs   *refs
	name   string
	main   *connected
	cannot map[string]string
}

// on gives the peer, on this connection: a promise of it.
func (c *client) on(connected *connected) peer.Peer {
	if secret, ok := c.refs.secrets["peer"]; ok {
		return peer.Peer(held(connected.restore(secret)))
	}
	switchboard := peer.Switchboard(held(connected.restore(c.refs.secrets["switchboard"])))
	find := func(params peer.Switchboard_find_Params) error { return params.SetName(c.name) }
	return held(switchboard.Find(context.Background(), find)).Peer()
}

// run is one check at work, with the connections that it has made.
type run struct {
	*client
	ctx         context.Context
	peer        peer.Peer
	connections []*connected
}

// held gives the answer to a call, and does not let go of it: this library closes a connection on which a promise is
// resolved that was let go of in the meantime, and may fail where an import is let go of while it comes in again. Only
// what a check is about is let go of.
func held[F any](answer F, _ capnp.ReleaseFunc) F { return answer }

// anew gives the peer on a new connection.
func (r *run) anew() (*connected, peer.Peer) {
	connected := r.connect()
	return connected, r.on(connected)
}

func (r *run) connect() *connected {
	connected := must(connectTo(r.refs.path))
	r.connections = append(r.connections, connected)
	return connected
}

func (r *run) counts() peer.Counts {
	return must(must(held(r.peer.Counts(r.ctx, nil)).Struct()).Counts())
}

func (r *run) eventually(what string, holds func() bool) {
	for end := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			panic(fmt.Errorf("%s: not in %v", what, patience))
		}
	}
}

// reachedAnew waits until a new connection reaches it: who was cut off has to come back first.
func (r *run) reachedAnew() {
	connected := r.connect()
	r.eventually("a new connection reaches it", func() bool {
		_, err := held(r.on(connected).Describe(r.ctx, nil)).Struct()
		return err == nil
	})
}

// failure says that a call ended with an error.
func failure[S any](_ S, err error) error {
	if err == nil {
		panic(errors.New("it returned; must fail"))
	}
	return err
}

// fails says that it was an error of this type, with this in its text.
func fails(err error, kind exc.Type, text string) {
	if !exc.IsType(err, kind) || !strings.Contains(err.Error(), text) {
		var exception *exc.Exception
		errors.As(err, &exception)
		panic(fmt.Errorf("found %#v: %v; wanted %v: ...%s...", exception, err, kind, text))
	}
}

func (r *run) throws(kind exc.Type) {
	text := fmt.Sprintf("Größe: %v 😀", kind)
	failed := held(r.peer.Fail(r.ctx, func(params peer.Peer_fail_Params) error {
		params.SetType(peer.ErrorType(kind))
		return params.SetMessage_(text)
	}))
	fails(failure(failed.Struct()), kind, text)
	r.counts()
}

// all runs the list, and says how many checks failed.
func (c *client) all() (bad int) {
	for _, check := range checks {
		err := c.one(check.run)
		why, known := c.cannot[check.name]
		line := "ok " + check.name
		switch {
		case known && err == nil:
			line = fmt.Sprintf("not ok %s: passed, though %s", check.name, why)
		case known:
			line = fmt.Sprintf("cannot %s: %s", check.name, why)
			// Nothing worse has happened than what was said.
			if worse := c.one(func(r *run) { r.counts() }); worse != nil {
				line = fmt.Sprintf("not ok %s: and after it %v", check.name, worse)
			}
		case err != nil && strings.Contains(err.Error(), "cannot be saved"):
			line = fmt.Sprintf("cannot %s: %s", check.name, ownObjects)
		case err != nil:
			line = fmt.Sprintf("not ok %s: %s", check.name, strings.ReplaceAll(err.Error(), "\n", " "))
		}
		if strings.HasPrefix(line, "not ok") {
			bad++
		}
		fmt.Println(line)
	}
	return bad
}

func (c *client) one(check func(*run)) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	r := &run{client: c, ctx: ctx, peer: c.on(c.main)}
	defer func() {
		for _, each := range r.connections {
			each.conn.Close()
		}
	}()
	defer recovered(&err)
	check(r)
	return nil
}

func check(file, name string) (bad int, err error) {
	defer recovered(&err)
	refs := must(readRefs(file))
	c := &client{refs: refs, name: name, main: must(connectTo(refs.path)), cannot: map[string]string{}}
	described := must(held(c.on(c.main).Describe(context.Background(), nil)).Struct())
	fmt.Printf("client: Go, %s\n", library())
	fmt.Printf("server: %s, %s\n", must(described.Language()), must(described.Library()))
	list := must(described.Cannot())
	for i := 0; i < list.Len(); i++ {
		c.cannot[must(list.At(i).Check())] = must(list.At(i).Why())
	}
	return c.all(), nil
}
