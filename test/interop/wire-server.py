"""A vat of pycapnp, which is the C++ implementation: `wire-server.py SOCKET SCHEMA IMPORTS sink|caller`."""
import asyncio
import sys

import capnp

socket, schema, imports, which = sys.argv[1:]
wire = capnp.load(schema, imports=[imports])


class Sink(wire.Sink.Server):
    def __init__(self):
        self.total = 0

    async def write(self, bytes, **_):
        self.total += len(bytes)

    async def end(self, **_):
        return self.total


class Caller(wire.Caller.Server):
    async def echo(self, number, **_):
        return number

    async def countdown(self, back, **params):
        if params["from"] == 0:
            return 0
        results = await back.countdown(**{"from": params["from"] - 1, "back": Caller()})
        return results.steps + 1

    async def wait(self, **_):
        await asyncio.sleep(100)

    async def child(self, **_):
        return Caller()

    async def forward(self, to, number, **_):
        results = await to.echo(number)
        return results.number


async def connected(stream):
    await capnp.TwoPartyServer(stream, bootstrap=Sink() if which == "sink" else Caller()).on_disconnect()


async def main():
    server = await capnp.AsyncIoStream.create_unix_server(connected, socket)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(capnp.run(main()))
