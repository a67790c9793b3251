"""Talks to a broker as a Python program would: pycapnp, the committed schemas and a file of references.

usage: client.py REFS

REFS has lines of a name and a printed reference: `operator`, `ledger` (all of the ledger's main object) and
`alice` (one account). Prints one line a check, `ok NAME` or `not ok NAME: WHY`, and exits with 1 where one
was not ok. It never prints a reference.
"""

import asyncio
import base64
import os
import sys
import traceback
from pathlib import Path
from urllib.parse import unquote, urlsplit

import capnp

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = [str(ROOT / "schema")]
sturdy = capnp.load(str(ROOT / "schema/sturdy.capnp"), imports=IMPORTS)
ledger_capnp = capnp.load(str(ROOT / "examples/ledger/ledger.capnp"), imports=IMPORTS)

# Names of accounts that no other run has used.
RUN = f"py-{os.getpid()}-{os.urandom(3).hex()}"
PATIENCE = 20


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")


async def fails(promise, kind, text):
    """The call ends with an exception of this type whose description contains `text`."""
    try:
        await asyncio.wait_for(promise, PATIENCE)
    except capnp.KjException as error:
        if error.type != kind or text not in error.description:
            raise AssertionError(f"found {error.type}: {error.description}; wanted {kind}: ...{text}...") from error
        return
    raise AssertionError(f"it returned; wanted {kind}: ...{text}...")


def cash(cents, memo="", attachment=b"", reference=""):
    return {"cents": cents, "memo": memo, "attachment": attachment, "reference": reference}


def only(interface, *methods):
    """The policy that allows these methods of one interface."""
    policy = sturdy.Policy.new_message()
    allowed = policy.methods.init("only", 1)[0]
    allowed.interface = interface.schema.node.id
    allowed.methods = list(methods)
    return policy


class Watcher(ledger_capnp.Watcher.Server):
    """A callback: what the ledger tells it can be awaited."""

    def __init__(self):
        self.told = asyncio.Queue()

    async def booked(self, entry, **_):
        await self.told.put((entry.number, entry.cents, entry.memo))

    async def next(self):
        return await asyncio.wait_for(self.told.get(), PATIENCE)


class Client:
    def __init__(self, gate, secrets):
        self.gate = gate
        self.secrets = secrets
        self.opened = 0

    async def restore(self, secret, interface):
        restored = await asyncio.wait_for(self.gate.restore(ref={"secret": secret}), PATIENCE)
        return restored.cap.as_interface(interface)

    async def ledger(self):
        return await self.restore(self.secrets["ledger"], ledger_capnp.Ledger)

    async def account(self, cents=0):
        """A new account with this much in it."""
        self.opened += 1
        opened = await (await self.ledger()).open(f"{RUN}-{self.opened}")
        expect(opened.isNew, True)
        if cents:
            await opened.account.deposit(**cash(cents))
        return opened.account

    # ---- The checks, in the order in which they run. ----

    async def check_restore_and_call(self):
        alice = await self.restore(self.secrets["alice"], ledger_capnp.Account)
        found = await alice.statement(page={"limit": 1})
        expect(found.name, "alice")
        expect((await alice.balance()).cents, found.closing)

    async def check_unknown_reference(self):
        stranger = bytes([1]) + os.urandom(32)
        for secret in (stranger, stranger[:-1], b""):
            await fails(self.gate.restore(ref={"secret": secret}), "FAILED", "no such reference")

    async def check_pipeline(self):
        # The restore, the search and the call on what it finds, before any of them has returned.
        restored = self.gate.restore(ref={"secret": self.secrets["ledger"]})
        balance = restored.cap.cast_as(ledger_capnp.Ledger).find("alice").account.balance()
        alice = await self.restore(self.secrets["alice"], ledger_capnp.Account)
        expect((await balance).cents, (await alice.balance()).cents)

    async def check_values(self):
        account = await self.account()
        attachment = bytes(range(256))
        made = (await account.deposit(**cash(2**62, "Grüße, 世界 \U0001f600", attachment, "ref-1"))).entry
        expect((made.number, made.cents, made.balance), (1, 2**62, 2**62))
        again = (await account.deposit(**cash(2**62, "Grüße, 世界 \U0001f600", attachment, "ref-1"))).entry
        expect(again.number, 1)
        found = await account.statement(page={"after": 0, "limit": 10})
        expect((found.opening, found.closing, len(found.entries)), (0, 2**62, 1))
        entry = found.entries[0]
        expect((str(entry.kind), entry.memo, bytes(entry.attachment)), ("deposit", "Grüße, 世界 \U0001f600", attachment))
        expect((entry.reference, entry.other.which()), ("ref-1", "cash"))

    async def check_capabilities_in_a_list(self):
        account = await self.account(250)
        name = f"{RUN}-{self.opened}"
        listed = await (await self.ledger()).accounts(after=RUN, limit=1000)
        summary = next(summary for summary in listed.accounts if summary.name == name)
        expect(summary.balance, 250)
        await summary.account.deposit(**cash(50))
        expect((await account.balance()).cents, 300)

    async def check_transfer(self):
        ledger = await self.ledger()
        payer, payee = await self.account(1000), await self.account()
        sent = await ledger.transfer(**{"from": payer, "to": payee}, **cash(300, "rent"))
        expect((str(sent.entry.kind), sent.entry.cents, sent.entry.balance), ("sent", -300, 700))
        expect((sent.entry.other.which(), sent.entry.other.account), ("account", f"{RUN}-{self.opened}"))
        expect((await payee.balance()).cents, 300)

    async def check_exceptions(self):
        account = await self.account(100)
        await fails(account.withdraw(**cash(101)), "FAILED", "does not hold 1.01")
        await fails(account.deposit(**cash(-1)), "FAILED", "must be greater than 0")
        # A method that the object does not have.
        await fails(account.cast_as(ledger_capnp.Ledger).find("alice"), "UNIMPLEMENTED", "")
        expect((await account.balance()).cents, 100)

    async def check_callback_and_holding_past_the_call(self):
        account = await self.account()
        watcher = Watcher()
        watch = (await account.watch(watcher=watcher)).watch
        # The call that brought the watcher has returned, and the ledger still holds it.
        for number in range(1, 4):
            await account.deposit(**cash(number, f"no. {number}"))
        for number in range(1, 4):
            expect(await watcher.next(), (number, number, f"no. {number}"))
        await watch.stop()
        await account.deposit(**cash(9))
        await asyncio.sleep(0.2)
        expect(watcher.told.empty(), True)

    async def check_a_call_that_waits(self):
        account = await self.account()
        waiting = asyncio.ensure_future(self.wait_for_entry(account))
        await asyncio.sleep(0.1)
        expect(waiting.done(), False)
        await account.deposit(**cash(77))
        expect(await asyncio.wait_for(waiting, PATIENCE), 77)

    @staticmethod
    async def wait_for_entry(account):
        return (await account.next(after=0)).entry.cents

    async def check_save_and_restore(self):
        account = await self.account(500)
        saved = await account.cast_as(sturdy.Delegable).save(sealFor=sturdy.Owner.new_message(anyone=None))
        secret = bytes(saved.sturdyRef.secret)
        expect((len(secret), secret[0]), (33, 1))
        again = await self.restore(secret, ledger_capnp.Account)
        expect((await again.balance()).cents, 500)

    async def check_saving_what_has_no_id(self):
        account = await self.account()
        watch = (await account.watch(watcher=Watcher())).watch
        saving = watch.cast_as(sturdy.Delegable).save(sealFor=sturdy.Owner.new_message(anyone=None))
        await fails(saving, "FAILED", "")
        await watch.stop()

    async def check_attenuate(self):
        account, other = await self.account(500), await self.account()
        minted = await account.cast_as(sturdy.Delegable).attenuate(
            policy=only(ledger_capnp.Account, "balance", "statement"), label="reader", sealFor={"anyone": None}
        )
        restored = await self.restore(bytes(minted.ref.secret), ledger_capnp.Account)
        for reader in (minted.cap.as_interface(ledger_capnp.Account), restored):
            expect((await reader.balance()).cents, 500)
            await fails(reader.withdraw(**cash(1)), "FAILED", "withdraw")
            # Read-only stays read-only where it is passed to the domain that made it.
            paying = (await self.ledger()).transfer(**{"from": reader, "to": other}, **cash(1))
            await fails(paying, "FAILED", "does not allow Account.withdraw")
        expect((await account.balance()).cents, 500)

    async def check_no_amplification(self):
        account = await self.account(500)
        minted = await account.cast_as(sturdy.Delegable).attenuate(
            policy=only(ledger_capnp.Account, "balance"), label="reader", sealFor={"anyone": None}
        )
        # A child of a read-only grant is read-only, whatever it asks for.
        everything = sturdy.Policy.new_message()
        everything.methods.all = None
        child = await minted.cap.as_interface(sturdy.Delegable).attenuate(
            policy=everything, label="", sealFor={"anyone": None}
        )
        await fails(child.cap.as_interface(ledger_capnp.Account).withdraw(**cash(1)), "FAILED", "withdraw")
        expect((await child.cap.as_interface(ledger_capnp.Account).balance()).cents, 500)

    async def check_revoke(self):
        account = await self.account(500)
        everything = sturdy.Policy.new_message()
        minted = await account.cast_as(sturdy.Delegable).attenuate(
            policy=everything, label="for a while", sealFor={"anyone": None}
        )
        secret = bytes(minted.ref.secret)
        live = await self.restore(secret, ledger_capnp.Account)
        child = (await live.cast_as(sturdy.Delegable).save(sealFor=sturdy.Owner.new_message(anyone=None))).sturdyRef
        expect((await live.balance()).cents, 500)
        waiting = asyncio.ensure_future(self.wait_for_entry_behind(live, 1))
        await asyncio.sleep(0.1)
        expect((await minted.grant.revoke()).revoked, 2)
        await fails(waiting, "FAILED", "revoked")
        await fails(live.balance(), "FAILED", "revoked")
        gone = "no such reference"
        await fails(self.gate.restore(ref={"secret": secret}), "FAILED", gone)
        child_secret = bytes(child.secret)
        await fails(self.gate.restore(ref={"secret": child_secret}), "FAILED", gone)
        # What the grant was minted from is as good as ever.
        expect((await account.balance()).cents, 500)

    @staticmethod
    async def wait_for_entry_behind(account, number):
        return await account.next(after=number)

    async def check_a_domain_that_is_stopped(self):
        alice = await self.restore(self.secrets["alice"], ledger_capnp.Account)
        before = (await alice.balance()).cents
        operator = await self.restore(self.secrets["operator"], sturdy.Operator)
        await operator.stop(domain="ledger")
        await fails(alice.balance(), "DISCONNECTED", "")
        again = await self.restore(self.secrets["alice"], ledger_capnp.Account)
        expect((await again.balance()).cents, before)
        states = {domain.name: str(domain.state) for domain in (await operator.domains()).domains}
        expect(states["ledger"], "running")


def read_refs(path):
    """The secrets by their names, and the address that they share."""
    secrets, addresses = {}, set()
    for line in Path(path).read_text().splitlines():
        name, printed = line.split(" ", 1)
        address, secret = printed.split("#", 1)
        secrets[name] = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        addresses.add(address)
    if len(addresses) != 1:
        raise SystemExit(f"{path}: the references have {len(addresses)} addresses; must be one")
    return secrets, addresses.pop()


async def connect(address):
    parts = urlsplit(address)
    if parts.scheme == "sturdy+unix":
        return await capnp.AsyncIoStream.create_unix_connection(unquote(parts.path))
    return await capnp.AsyncIoStream.create_connection(parts.hostname, parts.port)


async def main(path):
    secrets, address = read_refs(path)
    gate = capnp.TwoPartyClient(await connect(address)).bootstrap().cast_as(sturdy.Gate)
    client = Client(gate, secrets)
    bad = 0
    for attribute in [name for name in vars(Client) if name.startswith("check_")]:
        name = attribute.removeprefix("check_").replace("_", " ")
        try:
            await asyncio.wait_for(getattr(client, attribute)(), 2 * PATIENCE)
            print(f"ok {name}", flush=True)
        except Exception as error:
            bad += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"not ok {name}: {text} (line {where.lineno})", flush=True)
    return bad


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: client.py REFS")
    sys.exit(1 if asyncio.run(capnp.run(main(sys.argv[1]))) else 0)
