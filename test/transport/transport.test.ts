/** Every transport does the same: one suite, run over each of them. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type RpcError, Session, serve, type Transport } from '../../rpc/index.js';
import { KINDS, type Kind, open } from './ends.js';
import { type AnyStub, LISTENER, PROBE, serveProbe } from './probe.js';

/** A session over a new transport of this kind, with the Probe at its other end; both have to be over in the end. */
async function connected(
  kind: Kind,
  use: (probe: AnyStub, session: Session, served: Session | null) => Promise<void>,
) {
  const ends = await open(kind);
  const served = ends.far && serveProbe(ends.far);
  const session = new Session(ends.near);
  const probe = session.bootstrap<AnyStub>(PROBE);
  try {
    await use(probe, session, served);
  } finally {
    session.close();
    await Promise.all([session.closed, served?.closed, ends.close()]);
  }
}

describe.each(KINDS)('over %s', (kind) => {
  it('calls arrive in the order in which they were made, whatever their sizes', () =>
    connected(kind, async (probe) => {
      const sizes = Array.from({ length: 400 }, (_, i) => (i % 50 === 49 ? 200_000 : (i * 37) % 3000));
      const answers = await Promise.all(
        sizes.map((size, i) =>
          probe.echo({ text: `call ${i}`, data: new Uint8Array(size).fill(i), number: 0n }),
        ),
      );
      for (const [i, { text, data, number }] of answers.entries()) {
        expect(number).toBe(BigInt(i));
        expect(text).toBe(`call ${i}`);
        expect(data.length).toBe(sizes[i]);
        expect(data.every((byte: number) => byte === (i & 0xff))).toBe(true);
      }
    }));

  it('a message of many megabytes comes through as it is', () =>
    connected(kind, async (probe) => {
      const data = new Uint8Array(12 * 1024 * 1024).map((_, i) => (i * 7) >> 3);
      const { data: back } = await probe.echo({ text: '', data, number: 0n });
      expect(Buffer.compare(back, data)).toBe(0);
    }));

  it('calls are pipelined, and capabilities go both ways', () =>
    connected(kind, async (probe) => {
      using pending = probe.item({ id: 'seven' });
      using item = pending.item;
      expect(await item.id({})).toEqual({ id: 'seven' });
      using listener = serve(LISTENER, {
        heard: ({ text }: { text: string }) => ({ answer: `${text}, heard` }),
      });
      expect(await probe.tell({ listener, text: 'hello' })).toEqual({ heard: 'hello, heard' });
    }));

  it('what was sent before an end is delivered, and what waits for an answer fails', () =>
    connected(kind, async (probe, session) => {
      const waiting = probe.wait({});
      await probe.echo({ text: '', data: new Uint8Array(0), number: 0n });
      session.close();
      await expect(waiting).rejects.toMatchObject({ type: 'disconnected' });
      await expect(probe.echo({})).rejects.toMatchObject({ type: 'disconnected' });
    }));

  it('an end that the peer makes is told to whoever waits, behind what it had sent', () =>
    connected(kind, async (probe, session) => {
      const waiting = probe.wait({});
      waiting.then(undefined, () => {});
      expect(await probe.evaluate({ source: '' })).toEqual({ outcome: 'it closes' });
      await expect(waiting).rejects.toMatchObject({ type: 'disconnected' });
      expect((await session.closed).type).toBe('disconnected');
    }));
});

describe.each(['unix', 'tcp', 'tls', 'websocket', 'wss', 'port'] as const)('over %s', (kind) => {
  it('a peer that does not read is cut at the limit, and holds up nobody', async () => {
    const bytesQueued = 4 * 1024 * 1024;
    const ends = await open(kind, { ...DEFAULT_LIMITS, bytesQueued });
    const ended = new Promise<RpcError>((closed) => {
      ends.near.start({ message: () => {}, violated: () => {}, closed });
    });
    const message = [new Uint8Array(64 * 1024)];
    let over: RpcError | null = null;
    void ended.then((reason) => {
      over = reason;
    });
    let sent = 0;
    // What the system takes by itself is on top of the limit: some megabytes at most.
    for (; over === null && sent < 64 * 1024 * 1024; sent += message[0]!.length) {
      ends.near.send(message);
      if (sent % (1024 * 1024) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toMatchObject({ type: 'overloaded', code: 'ERR_RPC_QUEUE_LIMIT' });
    expect(sent).toBeLessThan(bytesQueued + 24 * 1024 * 1024);
    discard(ends.far!);
    await ends.close();
  });
});

describe.each(['unix', 'tcp', 'tls'] as const)('over %s', (kind) => {
  it('what waits for a slow reader stays as it was, whatever others write meanwhile', async () => {
    const [slow, swift] = await Promise.all([open(kind), open(kind)]);
    const over = [slow, swift].map(
      ({ near }) => new Promise((closed) => near.start({ message() {}, violated() {}, closed })),
    );
    discard(swift.far!, 'reading');
    const sizes = [24, 2_000, 40, 30_000, 8, 64 * 1024 - 16, 100_000, 16];
    const sent: Uint8Array[] = [];
    // More than the system takes by itself, in many turns.
    for (let i = 0, bytes = 0; bytes < 12 * 1024 * 1024; i++) {
      const message = new Uint8Array(sizes[i % sizes.length]!).fill(i);
      bytes += message.length;
      sent.push(message);
      slow.near.send([message]);
      swift.near.send([new Uint8Array(sizes[(i * 5) % sizes.length]!).fill(255 - (i & 0xff))]);
      if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    let next = 0;
    await new Promise<void>((resolve, reject) => {
      slow.far!.start({
        message: ([segment]) => {
          if (Buffer.compare(segment!, sent[next]!) !== 0) reject(new Error(`message ${next} is another`));
          if (++next === sent.length) resolve();
        },
        violated: (reason) => reject(new Error(reason)),
        closed: () => {},
      });
    });
    for (const { near, far } of [slow, swift]) {
      near.close();
      far!.close();
    }
    await Promise.all([...over, slow.close(), swift.close()]);
  });
});

function discard(far: Transport, until: 'reading' | 'closed' = 'closed'): void {
  far.start({ message: () => {}, violated: () => {}, closed: () => {} });
  if (until === 'closed') far.close();
}
