package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"capnproto.org/go/capnp/v3"
	"capnproto.org/go/capnp/v3/exc"
	"capnproto.org/go/capnp/v3/flowcontrol"
	"capnproto.org/go/capnp/v3/std/capnp/persistent"

	"sturdy/schema/peer"
	"sturdy/schema/sturdy"
)

// One segment of 4 words is announced, and one word comes.
var halfAMessage = []byte{0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0}

// checks is the list, by the names of checks.ts and in their order.
var checks = []struct {
	name string
	run  func(*run)
}{
	{"bootstrap", bootstrap},
	{"every type", everyType},
	{"nested pipelining", nestedPipelining},
	{"callback", callback},
	{"callback kept past the call", callbackKept},
	{"calls back and forth", backAndForth},
	{"order: an answer becomes an object of the caller", orderOfAnswer},
	{"order: a promise becomes an object of the caller", orderOfPromise},
	{"exception: failed", func(r *run) { r.throws(exc.Failed) }},
	{"exception: overloaded", func(r *run) { r.throws(exc.Overloaded) }},
	{"exception: disconnected", func(r *run) { r.throws(exc.Disconnected) }},
	{"exception: unimplemented", func(r *run) { r.throws(exc.Unimplemented) }},
	{"exception of a callback, passed on", exceptionOfCallback},
	{"method that nobody implements", nobodyImplements},
	{"cancellation", cancellation},
	{"release of what it made", releaseOfMade},
	{"release of what it was given", releaseOfGiven},
	{"one capability, many times in a message", oneManyTimes},
	{"tail call", tailCall},
	{"10,000 calls in flight", manyInFlight},
	{"streaming", streaming},
	{"save and restore", saveAndRestore},
	{"64 MiB to it", largeToIt},
	{"64 MiB from it", largeFromIt},
	{"over the limit, to it", overLimitToIt},
	{"over the limit, from it", overLimitFromIt},
	{"the client goes away in the middle of a message", goneInAMessage},
	{"the client goes away", clientGoesAway},
	{"the server goes away", serverGoesAway},
}

func bootstrap(r *run) {
	_, target := r.anew()
	described := held(target.Describe(r.ctx, nil))
	if must(must(described.Struct()).Language()) == "" {
		panic(errors.New("it does not say what it is"))
	}
}

func everyType(r *run) {
	objects := [3]*own{{}, {}, {}}
	var clients [3]peer.Callback
	for i, object := range objects {
		clients[i] = peer.Callback_ServerToClient(object)
	}
	echo := held(r.peer.Echo(r.ctx, func(params peer.Peer_echo_Params) (err error) {
		defer recovered(&err)
		value := must(params.NewValue())
		makeSample(value)
		try(value.SetCallback(clients[0].AddRef()))
		callbacks := must(value.NewCallbacks(2))
		try(callbacks.Set(0, clients[1].AddRef()))
		try(callbacks.Set(1, clients[2].AddRef()))
		return value.SetAnyCapability(capnp.Client(clients[0].AddRef()))
	}))
	value := must(must(echo.Struct()).Value())
	checkSample(value)
	callbacks := must(value.Callbacks())
	returned := []peer.Callback{
		value.Callback(), must(callbacks.At(0)), must(callbacks.At(1)), peer.Callback(value.AnyCapability()),
	}
	for number, each := range returned {
		expect("answer", must(answerOf(r.ctx, each, uint32(number))), uint32(number)+1000)
	}
	objects[0].heard(0, 3)
	objects[1].heard(1)
	objects[2].heard(2)
}

func nestedPipelining(r *run) {
	link := held(r.peer.Link(r.ctx, nil)).Link()
	for i := 0; i < 16; i++ {
		nested := held(link.Next(r.ctx, nil)).Nested().Deeper().Link()
		link = held(nested.Next(r.ctx, nil)).Link()
	}
	expect("depth", depthOf(r, link), 32)
}

func depthOf(r *run, link peer.Link) uint32 {
	depth, release := link.Depth(r.ctx, nil)
	defer release()
	return must(depth.Struct()).Depth()
}

func callback(r *run) {
	object := &own{}
	called := held(r.peer.CallBack(r.ctx, func(params peer.Peer_callBack_Params) error {
		params.SetTimes(5)
		return params.SetCallback(peer.Callback_ServerToClient(object))
	}))
	sameList("answers", must(must(called.Struct()).Answers()), []uint32{1000, 1001, 1002, 1003, 1004})
	object.heard(0, 1, 2, 3, 4)
}

func (r *run) keep(object *own) {
	kept, release := r.peer.Keep(r.ctx, func(params peer.Peer_keep_Params) error {
		return params.SetCallback(peer.Callback_ServerToClient(object))
	})
	must(kept.Struct())
	release()
}

func (r *run) tell(number uint32) (uint32, error) {
	told, release := r.peer.Tell(r.ctx, func(params peer.Peer_tell_Params) error {
		params.SetNumber(number)
		return nil
	})
	defer release()
	results, err := told.Struct()
	if err != nil {
		return 0, err
	}
	return results.Answer(), nil
}

func (r *run) drop() {
	dropped, release := r.peer.Drop(r.ctx, nil)
	must(dropped.Struct())
	release()
}

func callbackKept(r *run) {
	object := &own{}
	r.keep(object)
	for _, number := range []uint32{3, 1, 2} {
		expect("answer", must(r.tell(number)), number+1000)
	}
	object.heard(3, 1, 2)
	r.drop()
	failure(r.tell(4))
}

func backAndForth(r *run) {
	bounced := held(r.peer.Bounce(r.ctx, func(params peer.Peer_bounce_Params) error {
		params.SetLeft(20)
		return params.SetBouncer(peer.Bouncer_ServerToClient(bouncer{}))
	}))
	expect("bounces", must(bounced.Struct()).Bounces(), 20)
}

func numbers(length uint32) []uint32 {
	made := make([]uint32, length)
	for i := range made {
		made[i] = uint32(i)
	}
	return made
}

// settle waits until a promise has become what it resolves to. The library (3.1.0-alpha.2) may send a call that is made
// meanwhile behind the Disembargo that is to come after it, so that none is made then; what was called before is still
// under way.
func settle(r *run, promise capnp.Client) {
	if err := promise.Resolve(r.ctx); err != nil {
		panic(err)
	}
}

func orderOfAnswer(r *run) {
	object := &own{}
	answer := held(r.peer.Reflect(r.ctx, func(params peer.Peer_reflect_Params) error {
		return params.SetCallback(peer.Callback_ServerToClient(object))
	}))
	early := answer.Callback()
	var calls []peer.Callback_call_Results_Future
	call := func(number uint32) {
		calls = append(calls, held(early.Call(r.ctx, withNumber(number))))
	}
	for number := uint32(0); number < 5; number++ {
		call(number)
	}
	must(answer.Struct())
	settle(r, capnp.Client(early))
	for number := uint32(5); number < 30; number++ {
		call(number)
		if number%5 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for _, each := range calls {
		must(each.Struct())
	}
	object.heard(numbers(30)...)
}

func orderOfPromise(r *run) {
	object := &own{}
	from := source{peer.Callback_ServerToClient(object), make(chan struct{})}
	later := held(r.peer.Later(r.ctx, func(params peer.Peer_later_Params) error {
		return params.SetSource(peer.Source_ServerToClient(from))
	}))
	callback := must(later.Struct()).Callback()
	var calls []peer.Callback_call_Results_Future
	call := func(number uint32) {
		calls = append(calls, held(callback.Call(r.ctx, withNumber(number))))
	}
	for number := uint32(0); number < 5; number++ {
		call(number)
	}
	// What was called arrives there before the promise resolves.
	r.counts()
	for number := uint32(5); number < 30; number++ {
		call(number)
	}
	close(from.given)
	settle(r, capnp.Client(callback))
	for number := uint32(30); number < 60; number++ {
		call(number)
		if number%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for _, each := range calls {
		must(each.Struct())
	}
	object.heard(numbers(60)...)
}

func exceptionOfCallback(r *run) {
	relayed := held(r.peer.Relay(r.ctx, func(params peer.Peer_relay_Params) error {
		params.SetType(peer.ErrorType_overloaded)
		return errors.Join(
			params.SetThrower(peer.Thrower_ServerToClient(thrower{})),
			params.SetMessage_("too much at once"),
		)
	}))
	fails(failure(relayed.Struct()), exc.Overloaded, "too much at once")
}

func nobodyImplements(r *run) {
	unheard := held(peer.Unheard(r.peer).Of(r.ctx, nil))
	fails(failure(unheard.Struct()), exc.Unimplemented, "")
	r.counts()
}

func cancellation(r *run) {
	before := r.counts()
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	held(r.peer.Hang(ctx, nil))
	r.eventually("the call runs", func() bool { return r.counts().Hanging() == before.Hanging()+1 })
	cancel()
	r.eventually("it was cancelled", func() bool {
		now := r.counts()
		return now.Cancelled() == before.Cancelled()+1 && now.Hanging() == before.Hanging()
	})
}

// takenOut takes the capabilities out of a list, so that each can be let go of by itself.
func takenOut(list peer.Callback_List) []peer.Callback {
	out := make([]peer.Callback, list.Len())
	for i := range out {
		out[i] = must(list.At(i)).AddRef()
	}
	return out
}

func (r *run) make(count uint32) []peer.Callback {
	made, release := r.peer.Make(r.ctx, func(params peer.Peer_make_Params) error {
		params.SetCount(count)
		return nil
	})
	defer release()
	return takenOut(must(must(made.Struct()).Made()))
}

func releaseOfMade(r *run) {
	live := r.counts().Live()
	made := r.make(10)
	expect("live", r.counts().Live(), live+10)
	for _, each := range made[:6] {
		each.Release()
	}
	r.eventually("six are released", func() bool { return r.counts().Live() == live+4 })
	expect("answer", must(answerOf(r.ctx, made[9], 5)), 5)
	for _, each := range made[6:] {
		each.Release()
	}
	r.eventually("all are released", func() bool { return r.counts().Live() == live })
}

func releaseOfGiven(r *run) {
	object := &own{}
	r.keep(object)
	must(r.tell(1))
	expect("released", object.isReleased(), false)
	r.drop()
	r.eventually("it is released", object.isReleased)
}

func oneManyTimes(r *run) {
	live := r.counts().Live()
	same, release := r.peer.Same(r.ctx, func(params peer.Peer_same_Params) error {
		params.SetCount(5)
		return nil
	})
	made := takenOut(must(must(same.Struct()).Made()))
	release()
	for _, each := range made[:4] {
		each.Release()
	}
	expect("answer", must(answerOf(r.ctx, made[4], 7)), 7)
	expect("live", r.counts().Live(), live+1)
	made[4].Release()
	r.eventually("it is released", func() bool { return r.counts().Live() == live })
}

func tailCall(r *run) {
	forwarded := held(r.peer.Forward(r.ctx, func(params peer.Peer_forward_Params) error {
		return params.SetLink(peer.Link_ServerToClient(linkAt(41)))
	}))
	expect("depth", depthOf(r, forwarded.Link()), 42)
	expect("depth", depthOf(r, must(forwarded.Struct()).Link()), 42)
}

func manyInFlight(r *run) {
	const count = 10_000
	calls := make([]peer.Peer_wait_Results_Future, count)
	for i := range calls {
		calls[i] = held(r.peer.Wait(r.ctx, nil))
	}
	r.eventually("all wait", func() bool { return r.counts().Waiting() == count })
	opened := held(r.peer.Open(r.ctx, nil))
	expect("opened", must(opened.Struct()).Opened(), count)
	for i, call := range calls {
		expect("place", must(call.Struct()).Place(), uint32(i))
	}
}

func streaming(r *run) {
	sinking := held(r.peer.Sink(r.ctx, nil))
	sink := must(sinking.Struct()).Sink()
	sink.SetFlowLimiter(flowcontrol.NewFixedLimiter(64 * 1024))
	data := pattern(10_000)
	for number := uint32(0); number < 200; number++ {
		try(sink.Write(r.ctx, func(params peer.Sink_write_Params) error {
			params.SetNumber(number)
			return params.SetData(data)
		}))
	}
	try(sink.WaitStreaming())
	results := must(held(sink.Done(r.ctx, nil)).Struct())
	found := fmt.Sprint(results.Writes(), results.Bytes(), results.InOrder())
	expect("writes, bytes, in order", found, "200 2000000 true")
}

func saveAndRestore(r *run) {
	saving := held(r.peer.Save(r.ctx, func(params peer.Peer_save_Params) error {
		return params.SetName("keepsake")
	}))
	saved := sturdy.Delegable(must(saving.Struct()).Saved())
	kept := held(saved.Save(r.ctx, func(params persistent.Persistent_SaveParams) error {
		owner, err := sturdy.NewOwner(params.Segment())
		if err != nil {
			return err
		}
		owner.SetAnyone()
		return params.SetSealFor(owner.ToPtr())
	}))
	ref := sturdy.SturdyRef(must(must(kept.Struct()).SturdyRef()).Struct())
	again := held(r.connect().restore(must(ref.Secret())))
	named := held(peer.Saved(again).Name(r.ctx, nil))
	expect("name", must(must(named.Struct()).Name()), "keepsake")
}

func (r *run) take(target peer.Peer, size int) (peer.Peer_take_Results, error) {
	taken := held(target.Take(r.ctx, func(params peer.Peer_take_Params) error {
		return params.SetData(pattern(size))
	}))
	return taken.Struct()
}

func (r *run) blob(target peer.Peer, size uint32) (peer.Peer_blob_Results, error) {
	blob := held(target.Blob(r.ctx, func(params peer.Peer_blob_Params) error {
		params.SetSize(size)
		return nil
	}))
	return blob.Struct()
}

func largeToIt(r *run) {
	results := must(r.take(r.peer, large))
	expect("size", results.Size(), large)
	expect("intact", results.Intact(), true)
}

func largeFromIt(r *run) {
	data := must(must(r.blob(r.peer, large)).Data())
	expect("size", len(data), large)
	expect("intact", isPattern(data), true)
}

// firstLink gives an object of the main connection, to see that it is as good as ever.
func (r *run) firstLink() peer.Link {
	return must(held(r.peer.Link(r.ctx, nil)).Struct()).Link()
}

func overLimitToIt(r *run) {
	link := r.firstLink()
	_, target := r.anew()
	failure(r.take(target, tooLarge))
	r.reachedAnew()
	expect("depth", depthOf(r, link), 0)
}

func overLimitFromIt(r *run) {
	_, target := r.anew()
	failure(r.blob(target, tooLarge))
	r.reachedAnew()
}

func goneInAMessage(r *run) {
	link := r.firstLink()
	socket := must(net.Dial("unix", r.refs.path))
	must(socket.Write(halfAMessage))
	try(socket.Close())
	r.reachedAnew()
	expect("depth", depthOf(r, link), 0)
}

func clientGoesAway(r *run) {
	before := r.counts()
	connected, target := r.anew()
	held(target.Make(r.ctx, func(params peer.Peer_make_Params) error {
		params.SetCount(2)
		return nil
	}))
	for i := 0; i < 3; i++ {
		held(target.Hang(r.ctx, nil))
	}
	r.eventually("the calls run", func() bool {
		now := r.counts()
		return now.Hanging() == before.Hanging()+3 && now.Live() == before.Live()+2
	})
	// Without a word: the calls run and the objects are held.
	try(connected.socket.Close())
	r.eventually("all is let go", func() bool {
		now := r.counts()
		return now.Cancelled() == before.Cancelled()+3 && now.Live() == before.Live()
	})
}

func serverGoesAway(r *run) {
	link := r.firstLink()
	calls := []peer.Peer_hang_Results_Future{
		held(r.peer.Hang(r.ctx, nil)),
		held(r.peer.Hang(r.ctx, nil)),
	}
	waiting := held(r.peer.Wait(r.ctx, nil))
	r.eventually("the calls run", func() bool { return r.counts().Hanging() >= 2 })
	exit := held(r.peer.Exit(r.ctx, nil))
	for _, call := range calls {
		fails(failure(call.Struct()), exc.Disconnected, "")
	}
	fails(failure(waiting.Struct()), exc.Disconnected, "")
	fails(failure(exit.Struct()), exc.Disconnected, "")
	depth := held(link.Depth(r.ctx, nil))
	fails(failure(depth.Struct()), exc.Disconnected, "")
}
