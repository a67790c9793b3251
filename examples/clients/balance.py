"""A client in Python: restores an account, reads its balance, is told of its next entry by a callback, saves the
account, and hands out a weaker reference to it that it revokes.

usage: balance.py REFS NAME        (pip install pycapnp)
"""

import asyncio
import base64
import hashlib
import ipaddress
import ssl
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


def parse(printed):
    """The place of the broker that a reference names, and its secret. No error says what the secret is."""
    place, _, text = printed.strip().partition("#")
    secret = base64.urlsafe_b64decode(text) if len(text) == 44 else b""
    if len(secret) != 33 or secret[0] != 1:
        raise ValueError("not a sturdyref: behind the # stand 33 bytes in base64url, the first of them a 1")
    return place, secret


def elements(der):
    """What stands one behind the other in DER: each element as a whole, and its content."""
    while der:
        size, start = der[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(der[2:start], "big")
        yield der[: start + size], der[start : start + size]
        der = der[start + size :]


def public_key(certificate):
    """The SubjectPublicKeyInfo of a certificate in DER: what comes behind its version, if it says one, and five more."""
    ((_, signed),) = elements(certificate)
    _, body = next(elements(signed))
    fields = [element for element, _ in elements(body)]
    return fields[6 if fields[0][0] == 0xA0 else 5]


def known_by(key, host, port):
    """TLS with the server at this place, if it has this key, and with nobody else. It is asked for its certificate first."""
    certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, port)))
    found = base64.urlsafe_b64encode(hashlib.sha256(public_key(certificate)).digest()).decode().rstrip("=")
    if found != key:
        raise ConnectionError("the server has another key than the reference names; nothing was sent to it")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


class Broker:
    """A connection to the broker at a place."""

    def __init__(self, place, stream):
        self.place = place
        self.gate = capnp.TwoPartyClient(stream).bootstrap().cast_as(sturdy.Gate)

    @classmethod
    async def at(cls, place):
        """Connects to the broker that a reference names, where its secret is safe on the way."""
        parts = urlsplit(place)
        if parts.scheme == "sturdy+unix":
            return cls(place, await capnp.AsyncIoStream.create_unix_connection(unquote(parts.path)))
        if parts.scheme != "sturdy":
            raise ValueError("not a sturdyref: it starts with neither sturdy+unix:// nor sturdy://")
        if parts.username is not None:
            context = known_by(parts.password, parts.hostname, parts.port)
            connection = capnp.AsyncIoStream.create_connection(parts.hostname, parts.port, ssl=context)
            return cls(place, await connection)
        if not ipaddress.ip_address(parts.hostname).is_loopback:
            raise ValueError("a reference without a key is for the loopback address only")
        return cls(place, await capnp.AsyncIoStream.create_connection(parts.hostname, parts.port))

    def restore(self, place, secret, interface):
        """Gives a promise of the object. Only the broker that a reference names is shown it."""
        if place != self.place:
            raise ValueError("this reference is for another broker")
        return self.gate.restore(ref={"secret": secret}).cap.cast_as(interface)


async def main(refs, name):
    printed = dict(line.split(" ", 1) for line in Path(refs).read_text().splitlines())[name]
    place, secret = parse(printed)
    broker = await Broker.at(place)

    account = broker.restore(place, secret, ledger.Account)
    # Pipelined: sent before the restore has returned.
    print("balance", (await account.balance()).cents)

    watcher = Watcher()
    watch = (await account.watch(watcher)).watch
    await account.deposit(cents=1, memo="a client")
    print("booked", await watcher.told)
    await watch.stop()

    # A reference as strong as the account, for whoever knows it.
    delegable = account.cast_as(sturdy.Delegable)
    saved = await delegable.save(sealFor=sturdy.Owner.new_message(anyone=None))
    again = broker.restore(place, bytes(saved.sturdyRef.secret), ledger.Account)
    print("restored", (await again.balance()).cents)

    # A weaker one, which can read the balance and no more, and the power to revoke it.
    policy = sturdy.Policy.new_message()
    allowed = policy.methods.init("only", 1)[0]
    allowed.interface = ledger.Account.schema.node.id
    allowed.methods = ["balance"]
    minted = await delegable.attenuate(policy=policy, label="balance only", sealFor={"anyone": None})
    reader = minted.cap.as_interface(ledger.Account)
    await reader.balance()
    await minted.grant.revoke()
    try:
        await reader.balance()
    except capnp.KjException:
        print("revoked")


asyncio.run(capnp.run(main(*sys.argv[1:])))
