"""A Python program that is a peer of others, by pycapnp: it serves the `Peer` of peer.capnp, or runs the list of
checks.ts against whoever serves one.

usage: peer.py serve SOCKET       serves on a unix socket, and prints `ready`
       peer.py join REFS NAME     serves through a broker: plugs itself in at its switchboard, and prints `ready`
       peer.py check REFS [NAME]  runs the list against the reference `peer`, or who is at the switchboard as NAME

REFS has lines of a name and a printed reference. No reference is ever printed.
"""

import asyncio
import base64
import gc
import math
import os
import struct
import sys
import traceback
from pathlib import Path
from urllib.parse import unquote, urlsplit

import capnp

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = [str(ROOT / "schema")]
sturdy = capnp.load(str(ROOT / "schema/sturdy.capnp"), imports=IMPORTS)
schema = capnp.load(str(ROOT / "test/interop/peer.capnp"), imports=IMPORTS)

MEBIBYTE = 1024 * 1024
LARGE = 64 * MEBIBYTE
# More than any side takes.
TOO_LARGE = 96 * MEBIBYTE
# What this side takes, in words of 8 bytes. pycapnp's own limit is 64 MiB, envelope and all.
TAKEN = 80 * MEBIBYTE // 8
PATIENCE = 20
# One segment of 4 words is announced, and one word comes.
HALF_A_MESSAGE = struct.pack("<IIHHHH", 0, 4, 0, 0, 1, 1)

LANGUAGE = f"Python {sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"pycapnp {capnp.__version__} (Cap'n Proto {capnp.lib.capnp._CAPNP_VERSION_MAJOR}.{capnp.lib.capnp._CAPNP_VERSION_MINOR}.{capnp.lib.capnp._CAPNP_VERSION_MICRO})"

THROWS_FAILED = "a method in pycapnp can throw nothing but failed"
# It answers, and then "kj/async.c++:2615: failed: Inner node returned empty value" ends the process a while later.
TAIL_CALL = "a server in pycapnp 2.2.4 that has made a tail call is ended by its library later on"
# What a server in pycapnp cannot do.
SERVER_CANNOT = {
    "exception: overloaded": THROWS_FAILED,
    "exception: disconnected": THROWS_FAILED,
    "exception: unimplemented": THROWS_FAILED,
    "exception of a callback, passed on": THROWS_FAILED,
    "tail call": TAIL_CALL,
}
# What a client in pycapnp cannot do.
CLIENT_CANNOT = {
    "exception of a callback, passed on": THROWS_FAILED,
}

# ---- The sample. --------------------------------------------------------------------------------------------------

SAMPLE = {
    "nothing": None,
    "yes": True,
    "i8": -128,
    "i16": -32768,
    "i32": -(2**31),
    "i64": -(2**63),
    "u8": 255,
    "u16": 65535,
    "u32": 2**32 - 1,
    "u64": 2**64 - 1,
    "f32": 1.5,
    "f64": -0.1,
    "text": "Grüße, 世界 \U0001f600",
    "data": bytes(range(256)),
    "colour": "blue",
    "inner": {"name": "outer", "inner": {"name": "inner"}},
    "nothings": [None, None, None],
    "bools": [True, False, True, True, False, False, False, True, True],
    "i8s": [-128, -1, 0, 127],
    "i16s": [-32768, -1, 0, 32767],
    "i32s": [-(2**31), -1, 0, 2**31 - 1],
    "i64s": [-(2**63), -1, 0, 2**63 - 1],
    "u8s": [0, 1, 255],
    "u16s": [0, 1, 65535],
    "u32s": [0, 1, 2**32 - 1],
    "u64s": [0, 1, 2**64 - 1],
    "f32s": [-math.inf, -0.0, 2.0**-149, (2 - 2.0**-23) * 2.0**127, math.nan],
    "f64s": [-math.inf, -0.0, 5e-324, sys.float_info.max, math.nan],
    "texts": ["", "a", "Ω"],
    "datas": [b"", b"\0", b"\xff\0\x01"],
    "colours": ["red", "blue", "green"],
    "inners": [{"name": "first"}, {"name": "second"}],
    "lists": [[], [1], [2, 65535]],
    "group": {"left": 7, "right": "right"},
    "word": "the active one",
    "preset": 42,
}


def check_sample(value):
    for name, wanted in SAMPLE.items():
        check_equal(getattr(value, name), wanted, name)
    expect(value.which(), "word")
    expect(value.presetText, "preset")
    expect(value.anything.as_struct(schema.Inner).name, "anything")


def check_equal(found, wanted, at):
    if isinstance(wanted, dict):
        for name, inner in wanted.items():
            check_equal(getattr(found, name), inner, f"{at}.{name}")
    elif isinstance(wanted, list):
        expect(len(found), len(wanted), f"the length of {at}")
        for i, inner in enumerate(wanted):
            check_equal(found[i], inner, f"{at}[{i}]")
    elif isinstance(wanted, float):
        same = math.isnan(found) if math.isnan(wanted) else struct.pack("<d", found) == struct.pack("<d", wanted)
        if not same:
            raise AssertionError(f"{at}: found {found!r}, wanted {wanted!r}")
    elif isinstance(wanted, str):
        expect(str(found), wanted, at)
    else:
        expect(found, wanted, at)


def sample(callback, callbacks, any_capability):
    value = schema.Every.new_message(**SAMPLE)
    value.callback = callback
    slots = value.init("callbacks", len(callbacks))
    for i, each in enumerate(callbacks):
        slots[i] = each
    value.anything = schema.Inner.new_message(name="anything")
    value.anyCapability = any_capability
    return value


def pattern(size):
    """The bytes 0 to 250, over and over."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def expect(found, wanted, at="it"):
    if found != wanted:
        raise AssertionError(f"{at}: found {found!r}, wanted {wanted!r}")


# ---- The server. --------------------------------------------------------------------------------------------------


class Made(schema.Callback.Server):
    """An object that is counted while it lives."""

    def __init__(self, counts):
        self.counts = counts
        counts["live"] += 1

    async def call(self, number, **_):
        return number

    def __del__(self):
        self.counts["live"] -= 1


class Link(schema.Link.Server):
    def __init__(self, at):
        self.at = at

    async def next_context(self, context):
        link = Link(self.at + 1)
        context.results.link = link
        context.results.nested.deeper.link = link

    async def depth(self, **_):
        return self.at


class Sink(schema.Sink.Server):
    def __init__(self):
        self.writes, self.bytes, self.in_order = 0, 0, True

    async def write(self, number, data, **_):
        self.in_order = self.in_order and number == self.writes
        self.writes += 1
        self.bytes += len(data)

    async def done(self, **_):
        return self.writes, self.bytes, self.in_order


class Saved(schema.Saved.Server):
    def __init__(self, called):
        self.called = called

    async def name(self, **_):
        return self.called

    async def save_context(self, context):
        context.results.sturdyRef = sturdy.SturdyRef.new_message(secret=f"saved:{self.called}".encode())


class Peer(schema.Peer.Server):
    def __init__(self):
        self.state = {"hanging": 0, "cancelled": 0, "live": 0}
        self.waiting = []
        self.kept = None

    async def describe(self, **_):
        cannot = [{"check": check, "why": why} for check, why in SERVER_CANNOT.items()]
        return LANGUAGE, LIBRARY, cannot

    async def echo(self, value, **_):
        check_sample(value)
        callbacks = [value.callbacks[i] for i in range(len(value.callbacks))]
        return sample(value.callback, callbacks, value.anyCapability.as_interface(schema.Callback))

    async def link(self, **_):
        return Link(0)

    async def callBack(self, callback, times, **_):
        return [(await callback.call(number)).answer for number in range(times)]

    async def keep(self, callback, **_):
        self.kept = callback

    async def tell(self, number, **_):
        if self.kept is None:
            raise RuntimeError("nothing was kept")
        return (await self.kept.call(number)).answer

    async def drop(self, **_):
        self.kept = None

    async def bounce(self, bouncer, left, **_):
        if left == 0:
            return 0
        return (await bouncer.bounce(self, left - 1)).bounces + 1

    async def reflect(self, callback, **_):
        return callback

    async def later(self, source, **_):
        return source.give().callback

    async def fail(self, type, message, **_):
        raise capnp.KjException(message, type=str(type).upper())

    async def relay(self, thrower, type, message, **_):
        await thrower.fail(type=type, message=message)

    async def forward(self, **_):
        raise RuntimeError(TAIL_CALL)

    async def hang(self, **_):
        self.state["hanging"] += 1
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.state["cancelled"] += 1
            raise
        finally:
            self.state["hanging"] -= 1

    async def counts(self, **_):
        return {**self.state, "waiting": len(self.waiting)}

    async def make(self, count, **_):
        return [Made(self.state) for _ in range(count)]

    async def same_context(self, context):
        made = schema.Callback._new_client(Made(self.state))
        slots = context.results.init("made", context.params.count)
        for i in range(context.params.count):
            slots[i] = made

    async def blob(self, size, **_):
        return pattern(size)

    async def take(self, data, **_):
        return len(data), data == pattern(len(data))

    async def wait(self, **_):
        opened = asyncio.get_running_loop().create_future()
        self.waiting.append(opened)
        return await opened

    async def open(self, **_):
        opened, self.waiting = self.waiting, []
        for place, each in enumerate(opened):
            if not each.cancelled():
                each.set_result(place)
        return len(opened)

    async def sink(self, **_):
        return Sink()

    async def save(self, name, **_):
        return Saved(name)

    async def exit(self, **_):
        os._exit(0)


class Gate(sturdy.Gate.Server):
    def __init__(self):
        self.peer = Peer()

    async def restore_context(self, context):
        secret = bytes(context.params.ref.secret).decode()
        if secret == "peer":
            context.results.cap = schema.Peer._new_client(self.peer)
        elif secret.startswith("saved:"):
            context.results.cap = schema.Saved._new_client(Saved(secret.removeprefix("saved:")))
        else:
            raise RuntimeError("no such reference")


async def serve(path):
    gate = Gate()

    async def accept(stream):
        await capnp.TwoPartyServer(stream, bootstrap=gate, traversal_limit_in_words=TAKEN).on_disconnect()

    server = await capnp.AsyncIoStream.create_unix_server(accept, path)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


async def join(refs, name):
    peer = Peer()
    first = True
    while True:
        connected = await Connected.to(refs)
        await connected.restore(refs.secret("switchboard"), schema.Switchboard).plug(name, peer)
        if first:
            print("ready", flush=True)
        first = False
        await connected.client.on_disconnect()
        connected.close()


# ---- The client. --------------------------------------------------------------------------------------------------


class Refs:
    def __init__(self, path):
        self.secrets = {}
        for line in Path(path).read_text().splitlines():
            name, printed = line.split(" ", 1)
            place, secret = printed.split("#", 1)
            self.secrets[name] = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
            self.path = unquote(urlsplit(place).path)

    def secret(self, name):
        return self.secrets[name]


class Connected:
    def __init__(self, stream):
        self.stream = stream
        self.client = capnp.TwoPartyClient(stream, traversal_limit_in_words=TAKEN)
        self.gate = self.client.bootstrap().cast_as(sturdy.Gate)

    @classmethod
    async def to(cls, refs):
        return cls(await capnp.AsyncIoStream.create_unix_connection(refs.path))

    def restore(self, secret, interface):
        """What the reference restores to: a promise of it."""
        return self.gate.restore(ref={"secret": secret}).cap.cast_as(interface)

    def close(self):
        self.client.close()
        self.stream.close()


class Own(schema.Callback.Server):
    """An object of this side: it remembers the numbers, and tells when it was let go."""

    def __init__(self, numbers, released=None):
        self.numbers, self.released = numbers, released

    async def call(self, number, **_):
        self.numbers.append(number)
        return number + 1000

    def __del__(self):
        if self.released is not None:
            self.released.append(True)


class Source(schema.Source.Server):
    def __init__(self, callback, given):
        self.callback, self.given = callback, given

    async def give(self, **_):
        await self.given
        return self.callback


class Thrower(schema.Thrower.Server):
    async def fail(self, type, message, **_):
        raise capnp.KjException(message, type=str(type).upper())


class Bouncer(schema.Bouncer.Server):
    async def bounce(self, peer, left, **_):
        if left == 0:
            return 0
        return (await peer.bounce(self, left - 1)).bounces + 1


async def failure(promise):
    """The call ends with an exception."""
    try:
        await asyncio.wait_for(awaited(promise), PATIENCE)
    except capnp.KjException as error:
        return error
    raise AssertionError("it returned; must fail")


async def awaited(promise):
    return await promise


async def fails(promise, kind, text=""):
    error = await failure(promise)
    if error.type != kind or text not in error.description:
        raise AssertionError(f"found {error.type}: {error.description}; wanted {kind}: ...{text}...")


async def eventually(what, holds):
    for _ in range(PATIENCE * 50):
        if await holds():
            return
        gc.collect()
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what}: not in {PATIENCE} s")


def start(promise):
    """Sends what it can be cancelled of by cancelling the task."""
    return asyncio.ensure_future(awaited(promise))


class Client:
    def __init__(self, refs, name, main):
        self.refs, self.name, self.main = refs, name, main

    def on(self, connected):
        """The peer, on this connection: a promise of it."""
        if "peer" in self.refs.secrets:
            return connected.restore(self.refs.secret("peer"), schema.Peer)
        return connected.restore(self.refs.secret("switchboard"), schema.Switchboard).find(self.name).peer

    @property
    def peer(self):
        return self.on(self.main)

    async def counts(self):
        return (await self.peer.counts()).counts

    async def reached_anew(self):
        """On a new connection it can be reached, if need be after a while: who was cut off has to come back first."""
        connected = await Connected.to(self.refs)

        async def reached():
            try:
                await self.on(connected).describe()
                return True
            except capnp.KjException:
                return False

        await eventually("a new connection reaches it", reached)
        connected.close()

    async def throws(self, kind):
        text = f"Größe: {kind} \U0001f600"
        await fails(self.peer.fail(type=kind, message=text), kind.upper(), text)
        await self.counts()

    async def bootstrap(self):
        connected = await Connected.to(self.refs)
        described = await self.on(connected).describe()
        expect(described.language != "", True)
        connected.close()

    async def every_type(self):
        heard = [[], [], []]
        own = [schema.Callback._new_client(Own(each)) for each in heard]
        value = (await self.peer.echo(sample(own[0], own[1:], own[0]))).value
        check_sample(value)
        returned = [value.callback, value.callbacks[0], value.callbacks[1]]
        returned.append(value.anyCapability.as_interface(schema.Callback))
        for number, each in enumerate(returned):
            await each.call(number)
        expect(heard, [[0, 3], [1], [2]])

    async def nested_pipelining(self):
        link = self.peer.link().link
        for _ in range(16):
            link = link.next().nested.deeper.link.next().link
        expect((await link.depth()).depth, 32)

    async def callback(self):
        heard = []
        answers = (await self.peer.callBack(Own(heard), 5)).answers
        expect(list(answers), [1000, 1001, 1002, 1003, 1004])
        expect(heard, [0, 1, 2, 3, 4])

    async def callback_kept(self):
        heard = []
        peer = self.peer
        await peer.keep(Own(heard))
        for number in (3, 1, 2):
            expect((await peer.tell(number)).answer, number + 1000)
        expect(heard, [3, 1, 2])
        await peer.drop()
        await failure(peer.tell(4))

    async def back_and_forth(self):
        expect((await self.peer.bounce(Bouncer(), 20)).bounces, 20)

    async def order_of_answer(self):
        heard = []
        answer = self.peer.reflect(Own(heard))
        early = answer.callback
        calls = [early.call(number) for number in range(5)]
        await answer
        for number in range(5, 30):
            calls.append(early.call(number))
            if number % 5 == 0:
                await asyncio.sleep(0)
        for call in calls:
            await call
        expect(heard, list(range(30)))

    async def order_of_promise(self):
        heard = []
        given = asyncio.get_running_loop().create_future()
        callback = (await self.peer.later(Source(Own(heard), given))).callback
        calls = [callback.call(number) for number in range(5)]
        # What was called arrives there before the promise resolves.
        await self.counts()
        given.set_result(None)
        for number in range(5, 60):
            calls.append(callback.call(number))
            if number % 3 == 0:
                await asyncio.sleep(0.001)
        for call in calls:
            await call
        expect(heard, list(range(60)))

    async def exception_failed(self):
        await self.throws("failed")

    async def exception_overloaded(self):
        await self.throws("overloaded")

    async def exception_disconnected(self):
        await self.throws("disconnected")

    async def exception_unimplemented(self):
        await self.throws("unimplemented")

    async def exception_of_callback(self):
        text = "too much at once"
        await fails(self.peer.relay(Thrower(), "overloaded", text), "OVERLOADED", text)

    async def nobody_implements(self):
        await fails(self.peer.cast_as(schema.Unheard).of(), "UNIMPLEMENTED")
        await self.counts()

    async def cancellation(self):
        before = await self.counts()
        hanging = start(self.peer.hang())

        async def runs():
            return (await self.counts()).hanging == before.hanging + 1

        await eventually("the call runs", runs)
        hanging.cancel()

        async def cancelled():
            now = await self.counts()
            return now.cancelled == before.cancelled + 1 and now.hanging == before.hanging

        await eventually("it was cancelled", cancelled)

    async def live_becomes(self, wanted):
        async def holds():
            return (await self.counts()).live == wanted

        await eventually(f"{wanted} live", holds)

    async def release_of_made(self):
        live = (await self.counts()).live
        # One call each: in pycapnp a capability keeps the whole message that it came in.
        made = [(await self.peer.make(1)).made[0] for _ in range(10)]
        expect((await self.counts()).live, live + 10)
        del made[:6]
        await self.live_becomes(live + 4)
        expect((await made[3].call(5)).answer, 5)
        del made
        await self.live_becomes(live)

    async def release_of_given(self):
        released = []
        peer = self.peer
        await peer.keep(Own([], released))
        await peer.tell(1)
        expect(released, [])
        await peer.drop()

        async def let_go():
            return released == [True]

        await eventually("it is released", let_go)

    async def one_many_times(self):
        live = (await self.counts()).live
        made = list((await self.peer.same(5)).made)
        for each in made:
            expect((await each.call(7)).answer, 7)
        del made[:4], each
        gc.collect()
        expect((await self.counts()).live, live + 1)
        del made
        await self.live_becomes(live)

    async def tail_call(self):
        forwarded = self.peer.forward(Link(41))
        early = forwarded.link.depth()
        expect((await early).depth, 42)
        link = (await forwarded).link
        expect((await link.depth()).depth, 42)

    async def many_in_flight(self):
        count = 10_000
        peer = self.peer
        calls = [start(peer.wait()) for _ in range(count)]

        async def all_wait():
            return (await self.counts()).waiting == count

        await eventually("all wait", all_wait)
        expect((await peer.open()).opened, count)
        places = [each.place for each in await asyncio.gather(*calls)]
        expect(places, list(range(count)))

    async def streaming(self):
        sink = (await self.peer.sink()).sink
        data = pattern(10_000)
        writes = [start(sink.write(number, data)) for number in range(200)]
        # A task starts to run in the next turn.
        await asyncio.sleep(0)
        done = await sink.done()
        expect((done.writes, done.bytes, done.inOrder), (200, 2_000_000, True))
        await asyncio.gather(*writes)

    async def save_and_restore(self):
        saved = (await self.peer.save("keepsake")).saved
        ref = await saved.cast_as(sturdy.Delegable).save(sealFor=sturdy.Owner.new_message(anyone=None))
        connected = await Connected.to(self.refs)
        again = connected.restore(bytes(ref.sturdyRef.secret), schema.Saved)
        expect((await again.name()).name, "keepsake")
        connected.close()

    async def large_to_it(self):
        taken = await self.peer.take(pattern(LARGE))
        expect((taken.size, taken.intact), (LARGE, True))

    async def large_from_it(self):
        data = (await self.peer.blob(LARGE)).data
        expect(len(data), LARGE)
        expect(data == pattern(LARGE), True)

    async def over_limit_to_it(self):
        link = (await self.peer.link()).link
        connected = await Connected.to(self.refs)
        await failure(self.on(connected).take(pattern(TOO_LARGE)))
        connected.close()
        await self.reached_anew()
        expect((await link.depth()).depth, 0)

    async def over_limit_from_it(self):
        connected = await Connected.to(self.refs)
        await failure(self.on(connected).blob(TOO_LARGE))
        connected.close()
        await self.reached_anew()

    async def gone_in_a_message(self):
        link = (await self.peer.link()).link
        _, writer = await asyncio.open_unix_connection(self.refs.path)
        writer.write(HALF_A_MESSAGE)
        await writer.drain()
        writer.close()
        await self.reached_anew()
        expect((await link.depth()).depth, 0)

    async def client_goes_away(self):
        before = await self.counts()
        connected = await Connected.to(self.refs)
        peer = self.on(connected)
        made = (await peer.make(2)).made
        hanging = [start(peer.hang()) for _ in range(3)]

        async def running():
            now = await self.counts()
            return now.hanging == before.hanging + 3 and now.live == before.live + 2

        await eventually("the calls run", running)
        # Without a word: the socket is shut while the calls run and the objects are held.
        connected.stream.close()

        async def let_go():
            now = await self.counts()
            return now.cancelled == before.cancelled + 3 and now.live == before.live

        await eventually("all is let go", let_go)
        await asyncio.gather(*hanging, return_exceptions=True)
        del made
        connected.client.close()

    async def server_goes_away(self):
        peer = self.peer
        link = (await peer.link()).link
        calls = [start(peer.hang()), start(peer.wait()), start(peer.hang())]

        async def running():
            return (await self.counts()).hanging >= 2

        await eventually("the calls run", running)
        for call in (*calls, peer.exit()):
            await fails(call, "DISCONNECTED")
        await fails(link.depth(), "DISCONNECTED")

    # The list, by the names of checks.ts and in their order.
    CHECKS = {
        "bootstrap": bootstrap,
        "every type": every_type,
        "nested pipelining": nested_pipelining,
        "callback": callback,
        "callback kept past the call": callback_kept,
        "calls back and forth": back_and_forth,
        "order: an answer becomes an object of the caller": order_of_answer,
        "order: a promise becomes an object of the caller": order_of_promise,
        "exception: failed": exception_failed,
        "exception: overloaded": exception_overloaded,
        "exception: disconnected": exception_disconnected,
        "exception: unimplemented": exception_unimplemented,
        "exception of a callback, passed on": exception_of_callback,
        "method that nobody implements": nobody_implements,
        "cancellation": cancellation,
        "release of what it made": release_of_made,
        "release of what it was given": release_of_given,
        "one capability, many times in a message": one_many_times,
        "tail call": tail_call,
        "10,000 calls in flight": many_in_flight,
        "streaming": streaming,
        "save and restore": save_and_restore,
        "64 MiB to it": large_to_it,
        "64 MiB from it": large_from_it,
        "over the limit, to it": over_limit_to_it,
        "over the limit, from it": over_limit_from_it,
        "the client goes away in the middle of a message": gone_in_a_message,
        "the client goes away": client_goes_away,
        "the server goes away": server_goes_away,
    }


async def check(refs, name):
    client = Client(refs, name, await Connected.to(refs))
    described = await client.peer.describe()
    print(f"client: {LANGUAGE}, {LIBRARY}")
    print(f"server: {described.language}, {described.library}", flush=True)
    cannot = {**{each.check: each.why for each in described.cannot}, **CLIENT_CANNOT}
    bad = 0
    for name, run in Client.CHECKS.items():
        failed = None
        try:
            await asyncio.wait_for(run(client), 2 * PATIENCE)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            failed = f"{type(error).__name__}: {error}".splitlines()[0] + f" (line {where.lineno})"
        if name in cannot:
            # Nothing worse has happened than what was said.
            await client.counts()
            passed = f"not ok {name}: passed, though {cannot[name]}"
            line = passed if failed is None else f"cannot {name}: {cannot[name]}"
        elif failed is None:
            line = f"ok {name}"
        elif "cannot be saved" in failed:
            line = f"cannot {name}: what is saved through a broker must be an object of its domain"
        else:
            line = f"not ok {name}: {failed}"
        bad += line.startswith("not ok")
        print(line, flush=True)
    return bad


async def main(mode, place, name=""):
    if mode == "serve":
        await serve(place)
    elif mode == "join":
        await join(Refs(place), name)
    else:
        return await check(Refs(place), name)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in ("serve", "join", "check"):
        sys.exit("usage: peer.py serve SOCKET | join REFS NAME | check REFS [NAME]")
    sys.exit(1 if asyncio.run(capnp.run(main(*sys.argv[1:]))) else 0)
