import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { stubFor } from 'sturdy/rpc';
import { MessageBuilder } from 'sturdy/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyStub, asDelegable, type Client, ledgerGraph, only, Running, sturdy } from './running.js';

const LEDGER = ledgerGraph.interface('Ledger');
const ACCOUNT = ledgerGraph.interface('Account');
const NO_SUCH = { type: 'failed', message: 'no such reference' };

let running: Running;
let client: Client;
let operator: AnyStub;
let ledger: AnyStub;

beforeAll(async () => {
  running = await Running.start();
  client = await running.connect();
  operator = await running.operator();
  const { ref } = await operator.mint({ domain: 'ledger', object: '', label: 'the ledger' });
  ledger = await client.restore(ref.secret, LEDGER);
});

afterAll(() => running.stop());

async function account(name: string, cents = 0n): Promise<AnyStub> {
  const { account: opened } = await ledger.open({ name });
  if (cents > 0n) await opened.deposit({ cents, memo: 'to begin with' });
  return opened;
}

describe('a reference', () => {
  it('restores to the object, for whoever shows it, on any connection', async () => {
    const alice = await account('alice', 500n);
    const { sturdyRef } = await asDelegable(alice).save({});
    const other = await running.connect();
    const again = await other.restore(sturdyRef.secret, ACCOUNT);
    expect(await again.balance()).toEqual({ cents: 500n });
  });

  it('that is malformed, unknown, revoked or sealed to somebody else gets one identical error', async () => {
    const unknown = new Uint8Array(33).fill(7);
    unknown[0] = 1;
    const { ref: revoked, grant } = await operator.mint({
      domain: 'ledger',
      object: '',
      label: 'to be revoked',
    });
    await grant.revoke();
    const { ref: sealed } = await operator.mint({
      domain: 'ledger',
      object: '',
      sealFor: { domain: '0'.repeat(26) },
    });
    const { ref: expired } = await operator.mint({ domain: 'ledger', object: '', policy: { expires: 1n } });
    const refs = [
      {},
      { secret: new Uint8Array(0) },
      { secret: new Uint8Array(5000) },
      { secret: unknown },
      revoked,
      sealed,
      expired,
    ];
    const errors = await Promise.all(
      refs.map((ref) =>
        client.gate.restore({ ref }).then(
          () => null,
          (error: { type: string; message: string; code: string }) => error,
        ),
      ),
    );
    for (const error of errors) expect(error).toMatchObject({ ...NO_SUCH, code: errors[0].code });
  });

  it('is pipelined on before it is restored', async () => {
    const alice = await account('pipelined', 10n);
    const { sturdyRef } = await asDelegable(alice).save({});
    const fresh = await running.connect();
    using typed = fresh.gate.restore({ ref: sturdyRef }).cap.as(ACCOUNT);
    expect(await typed.balance()).toEqual({ cents: 10n });
  });

  it('is restored by a Bootstrap that names it, as some peers do, under the same rules', async () => {
    const alice = await account('bootstrapped', 3n);
    const { sturdyRef } = await asDelegable(alice).save({});
    const other = await running.connect();
    const named = (secret: Uint8Array): AnyStub => {
      const message = new MessageBuilder();
      message.root.setData(secret);
      return stubFor(other.session.connection.bootstrap(message.asReader().root), ACCOUNT) as AnyStub;
    };
    expect(await named(sturdyRef.secret).balance()).toEqual({ cents: 3n });
    await expect(named(new Uint8Array(33)).balance()).rejects.toMatchObject(NO_SUCH);
    await expect(named(new Uint8Array(0)).balance()).rejects.toMatchObject(NO_SUCH);
  });
});

describe('an attenuated reference', () => {
  it('allows what its policy names, on the object and on what comes out of it, and refuses the rest by name', async () => {
    await account('narrow', 100n);
    const { ref, grant, cap } = await asDelegable(ledger).attenuate({
      policy: only('Ledger.find', 'Account.balance'),
      label: 'narrow',
    });
    const other = await running.connect();
    const facet = await other.restore(ref.secret, LEDGER);
    const { account: found } = await facet.find({ name: 'narrow' });
    expect(await found.balance()).toEqual({ cents: 100n });
    await expect(found.withdraw({ cents: 1n })).rejects.toMatchObject({
      type: 'failed',
      message: 'the grant does not allow Account.withdraw',
    });
    await expect(facet.open({ name: 'x' })).rejects.toMatchObject({
      message: 'the grant does not allow Ledger.open',
    });
    await expect(facet.find({ name: 'narrow' }).account.withdraw({ cents: 1n })).rejects.toMatchObject({
      type: 'failed',
    });
    const live = (cap as AnyStub).as<AnyStub>(LEDGER);
    await expect(live.open({ name: 'x' })).rejects.toMatchObject({
      message: 'the grant does not allow Ledger.open',
    });
    const { info } = await grant.info();
    expect(info).toMatchObject({ label: 'narrow', domain: 'ledger', object: '', state: 'live' });
  });

  it('can only be narrowed further, never widened', async () => {
    const alice = await account('widen', 100n);
    const { cap } = await asDelegable(alice).attenuate({
      policy: only('Account.balance'),
      label: 'read-only',
    });
    const { ref } = await asDelegable(cap).attenuate({
      policy: only('Account.balance', 'Account.withdraw'),
      label: 'a try',
    });
    const wider = await client.restore(ref.secret, ACCOUNT);
    expect(await wider.balance()).toEqual({ cents: 100n });
    await expect(wider.withdraw({ cents: 1n })).rejects.toMatchObject({
      message: 'the grant does not allow Account.withdraw',
    });
    const { sturdyRef } = await asDelegable(cap).save({});
    const saved = await client.restore(sturdyRef.secret, ACCOUNT);
    await expect(saved.withdraw({ cents: 1n })).rejects.toMatchObject({ type: 'failed' });
  });

  it('that is not delegable cannot be saved or attenuated', async () => {
    const alice = await account('mine');
    const { cap } = await asDelegable(alice).attenuate({ policy: { delegable: false }, label: 'mine' });
    await expect(asDelegable(cap).save({})).rejects.toMatchObject({ message: 'the grant is not delegable' });
    await expect(asDelegable(cap).attenuate({ label: 'x' })).rejects.toMatchObject({
      message: 'the grant is not delegable',
    });
  });

  it('is refused where its policy names a method that the schema does not have', async () => {
    const policy = { methods: { only: [{ interface: ACCOUNT.id, methods: ['embezzle'] }] } };
    await expect(asDelegable(ledger).attenuate({ policy, label: 'x' })).rejects.toThrow(
      'Account has no method embezzle; it has balance',
    );
  });

  it('can be had of what has not returned yet', async () => {
    await account('early');
    using found = ledger.find({ name: 'early' });
    const { ref } = await asDelegable(found.account).attenuate({ label: 'early' });
    expect(await (await client.restore(ref.secret, ACCOUNT)).balance()).toEqual({ cents: 0n });
  });

  it('cannot be had of an object without an id', async () => {
    const alice = await account('watched');
    const { watch } = await alice.watch({ watcher: { booked() {} } });
    await expect(asDelegable(watch).save({})).rejects.toThrow('no object id');
  });

  it('never passes on what is between a domain and the broker', async () => {
    const identified = ledger.as<AnyStub>(sturdy.interface('Identified'));
    await expect(identified.identify({})).rejects.toMatchObject({ type: 'unimplemented' });
  });
});

describe('a capability that comes home', () => {
  it('stays under its grant: a read-only account is no power to move its money', async () => {
    const from = await account('from', 100n);
    const to = await account('to');
    const { cap } = await asDelegable(from).attenuate({
      policy: only('Account.balance', 'Account.statement'),
      label: 'read-only',
    });
    const readOnly = (cap as AnyStub).as<AnyStub>(ACCOUNT);
    await expect(ledger.transfer({ from: readOnly, to, cents: 50n })).rejects.toThrow(/withdraw/);
    expect(await from.balance()).toEqual({ cents: 100n });
    await ledger.transfer({ from, to, cents: 40n, memo: 'the real thing' });
    expect([await from.balance(), await to.balance()]).toEqual([{ cents: 60n }, { cents: 40n }]);
  });

  it('is refused once its grant is revoked, though it was passed unrestricted', async () => {
    const from = await account('revoked-from', 100n);
    const to = await account('revoked-to');
    const { cap, grant } = await asDelegable(from).attenuate({ label: 'full' });
    const full = (cap as AnyStub).as<AnyStub>(ACCOUNT);
    await ledger.transfer({ from: full, to, cents: 10n });
    await grant.revoke();
    await expect(ledger.transfer({ from: full, to, cents: 10n })).rejects.toThrow(/revoked/);
  });
});

describe('revoking', () => {
  it('kills the grant, every descendant, their live capabilities and the calls in flight on them', async () => {
    const alice = await account('family', 5n);
    const parent = await asDelegable(alice).attenuate({ label: 'parent' });
    const child = await asDelegable(parent.cap).attenuate({ label: 'child' });
    const grandchild = await child.grant.attenuate({ label: 'grandchild' });
    const other = await running.connect();
    const live = await other.restore(grandchild.ref.secret, ACCOUNT);
    expect(await live.balance()).toEqual({ cents: 5n });
    const waiting = live.next({ after: 1_000_000 });
    const failed = expect(waiting).rejects.toThrow('the grant was revoked');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await parent.grant.revoke()).toMatchObject({ revoked: 3 });
    await failed;
    await expect(live.balance()).rejects.toThrow('the grant was revoked');
    for (const { ref } of [parent, child, grandchild]) {
      await expect(other.gate.restore({ ref })).rejects.toMatchObject(NO_SUCH);
    }
    expect((await grandchild.grant.info()).info.state).toBe('revoked');
    expect(await parent.grant.revoke()).toMatchObject({ revoked: 0 });
    expect(await alice.balance()).toEqual({ cents: 5n });
  });

  it('cuts at once, however large the tree below is, for whoever revokes it', async () => {
    const alice = await account('wide', 1n);
    const { cap, grant } = await asDelegable(alice).attenuate({ label: 'wide' });
    const live = (cap as AnyStub).as<AnyStub>(ACCOUNT);
    for (let i = 0; i < 8; i++)
      await Promise.all(Array.from({ length: 100 }, () => grant.attenuate({ label: 'below' })));
    const [first, second] = [grant.revoke(), grant.revoke()];
    // The second has nothing to kill any more; what it acknowledges is true all the same.
    expect(await second).toMatchObject({ revoked: 0 });
    await expect(live.balance()).rejects.toThrow('the grant was revoked');
    expect(await first).toMatchObject({ revoked: 801 });
  });

  it('cuts a callback that was passed in', async () => {
    const alice = await account('callbacks');
    const { cap, grant } = await asDelegable(alice).attenuate({ label: 'watcher' });
    const booked: unknown[] = [];
    await (cap as AnyStub)
      .as<AnyStub>(ACCOUNT)
      .watch({ watcher: { booked: (params: unknown) => void booked.push(params) } });
    await alice.deposit({ cents: 1n, memo: 'seen' });
    await expect.poll(() => booked.length).toBe(1);
    await grant.revoke();
    await alice.deposit({ cents: 1n, memo: 'unseen' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(booked.length).toBe(1);
  });
});

describe('a connection', () => {
  it('that sends garbage gets an Abort, and nobody else notices', async () => {
    const { connectSocket } = await import('sturdy/rpc');
    const { createConnection } = await import('node:net');
    const socket = createConnection({ path: join(running.folder, 'broker.sock') });
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    socket.write(Buffer.alloc(64, 0xff));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(Buffer.concat(received).toString('latin1')).toContain('segments');
    const next = await connectSocket({ path: join(running.folder, 'broker.sock') });
    next.close();
    expect(await ledger.accounts({ limit: 1 })).toMatchObject({ accounts: [{}] });
  });

  it('is not quoted in the log, where it says why it ended the connection', async () => {
    const { connectSocket } = await import('sturdy/rpc');
    const { Broker, createLogger, parseConfig } = await import('sturdy/broker');
    const lines: string[] = [];
    const listen = { unix: 'other.sock' };
    const other = await Broker.start(parseConfig({ data: 'other', listen, domains: {} }, running.folder), {
      log: createLogger({ level: 'debug' }, { write: (line) => lines.push(line) }),
    });
    try {
      for (let i = 0; i < 20; i++) {
        const session = await connectSocket({ path: join(running.folder, 'other.sock') });
        session.connection.abort('buy now');
        await session.closed;
      }
      const warnings = () => lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn');
      const counted = () => warnings().reduce((sum, { connections = 0 }) => sum + connections, 0);
      await expect.poll(counted, { timeout: 10_000 }).toBe(20);
      expect(warnings().length).toBeLessThan(20);
      expect(lines.join('')).not.toContain('buy now');
    } finally {
      await other.stop();
    }
  });

  it('leaves nothing behind when it ends', async () => {
    const before = (await operator.health()).connections;
    const other = await running.connect();
    const { ref } = await operator.mint({ domain: 'ledger', object: '', label: 'short' });
    const held = await other.restore(ref.secret, LEDGER);
    const waiting = held.accounts({}).catch((error: unknown) => error);
    other.session.close();
    expect(await waiting).toMatchObject({ type: 'disconnected' });
    await expect.poll(async () => (await operator.health()).connections).toBe(before);
  });
});

describe('the data folder', () => {
  it("is its owner's alone, and holds no secret", async () => {
    const { ref } = await operator.mint({ domain: 'ledger', object: '', label: 'secret' });
    expect((await stat(running.broker.operatorRefPath)).mode & 0o777).toBe(0o600);
    const data = join(running.folder, 'data');
    for (const name of await readdir(data, { recursive: true })) {
      const path = join(data, name);
      if (!(await stat(path)).isFile() || name === 'operator.ref') continue;
      const bytes = await readFile(path);
      expect(bytes.includes(Buffer.from(ref.secret)), name).toBe(false);
      expect(bytes.includes(Buffer.from(ref.secret).toString('base64url')), name).toBe(false);
    }
  });
});
