"""A client in Python: restores an account, reads its balance, and is told of its next entry by a callback.

usage: balance.py REFS NAME        (pip install pycapnp)
"""

import asyncio
import base64
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import capnp

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = [str(ROOT / "schema")]
sturdy = capnp.load(str(ROOT / "schema/sturdy.capnp"), imports=IMPORTS)
ledger = capnp.load(str(ROOT / "examples/ledger/ledger.capnp"), imports=IMPORTS)


class Watcher(ledger.Watcher.Server):
    def __init__(self):
        self.told = asyncio.get_running_loop().create_future()

    async def booked(self, entry, **_):
        self.told.set_result(entry.cents)


async def connect(place):
    """Gives the gate of the broker at the place of a reference: what stands before its `#`."""
    parts = urlsplit(place)
    if parts.scheme == "sturdy+unix":
        stream = await capnp.AsyncIoStream.create_unix_connection(unquote(parts.path))
    else:
        stream = await capnp.AsyncIoStream.create_connection(parts.hostname, parts.port)
    return capnp.TwoPartyClient(stream).bootstrap().cast_as(sturdy.Gate)


async def main(refs, name):
    printed = dict(line.split(" ", 1) for line in Path(refs).read_text().splitlines())[name]
    place, secret = printed.split("#")
    gate = await connect(place)

    restored = gate.restore(ref={"secret": base64.urlsafe_b64decode(secret)})
    account = restored.cap.cast_as(ledger.Account)
    # Pipelined: sent before the restore has returned.
    print("balance", (await account.balance()).cents)

    watcher = Watcher()
    watch = (await account.watch(watcher)).watch
    await account.deposit(cents=1, memo="a client")
    print("booked", await watcher.told)
    await watch.stop()


asyncio.run(capnp.run(main(*sys.argv[1:])))
