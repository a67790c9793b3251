/** Peers that are gone without a word, over everything that a broker listens on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Duplex, PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { Session, StreamTransport, standardTransport, watchPeer } from '../../rpc/index.js';
import { dial, LISTENED, type Listened, listening, streams } from './ends.js';
import { type AnyStub, PROBE } from './probe.js';

const CHILD = fileURLToPath(new URL('../../dist/test/transport/child.js', import.meta.url));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A process that is connected by this kind of transport, and the session with it. */
async function process(
  kind: Listened,
): Promise<{ child: ChildProcess; session: Session; transport: StreamTransport }> {
  const { far, address, tls, close } = await listening(kind);
  ends.push(close);
  const child = spawn(
    globalThis.process.execPath,
    [CHILD, 'dial', kind, JSON.stringify(address), JSON.stringify(tls)],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  ends.push(() => child.kill('SIGKILL'));
  const transport = new StreamTransport(await far);
  const session = new Session(transport);
  return { child, session, transport };
}

describe.each(LISTENED)('over %s', (kind) => {
  it('a silent peer is asked and goes on; one that is stopped is found, and its calls fail', async () => {
    const { child, session, transport } = await process(kind);
    watchPeer(session, transport, { silenceMillis: 400 });
    // Its answers are all that it ever says.
    let answered = 0;
    for (let asked = 0; asked < 3; asked++) {
      const before: number = answered;
      await expect
        .poll(
          () => {
            answered = transport.bytesReceived;
            return answered;
          },
          { timeout: 20_000 },
        )
        .toBeGreaterThan(before);
    }
    expect(session.connection.closedBy).toBeNull();
    child.kill('SIGSTOP');
    const waiting = session.bootstrap<AnyStub>(PROBE).wait({});
    expect(await session.closed).toMatchObject({
      type: 'disconnected',
      code: 'ERR_RPC_SILENT',
      message: 'the peer does not answer: it was silent for 400 ms, and asked (silenceMillis)',
    });
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_RPC_SILENT' });
  });

  it('a peer that stops in the middle of a message is cut, and one that stops behind it is not', async () => {
    for (const [bytes, code] of [
      [[0, 0, 0, 0, 9, 0, 0, 0, 1], 'ERR_RPC_STALLED'],
      [[0, 0], 'ERR_RPC_STALLED'],
      [[], 'ERR_RPC_CLOSED'],
    ] as const) {
      const { near, far, close } = await streams(kind);
      await stalls(near, new StreamTransport(far), Uint8Array.from(bytes), code);
      await close();
    }
  });
});

it('over standard input and output, a peer that stops in the middle of a message is cut', async () => {
  const input = new PassThrough();
  const transport = standardTransport({}, input, new PassThrough());
  await stalls(input, transport, Uint8Array.of(0, 0, 0, 0, 9), 'ERR_RPC_STALLED');
});

async function stalls(
  near: Duplex,
  transport: StreamTransport,
  bytes: Uint8Array,
  code: string,
): Promise<void> {
  near.on('error', () => {});
  const session = new Session(transport);
  watchPeer(session, transport, { stallMillis: 200 });
  if (bytes.length > 0) near.write(bytes);
  else setTimeout(() => near.end(), 600);
  near.resume();
  expect(await session.closed).toMatchObject({ type: 'disconnected', code });
  near.destroy();
}

it.each(['tcp', 'tls', 'websocket'] as const)(
  'over %s the system asks as well, at both ends',
  async (kind) => {
    const { far, address, tls, close } = await listening(kind, { keepAliveMillis: 5000 });
    const near = await dial(kind, address, tls);
    const theirs = await far;
    const port = 'port' in address ? address.port : 0;
    // The timer of a connection that is established (01): 02 is that of keep-alive.
    const timers = () =>
      readFileSync('/proc/net/tcp', 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([, local, remote, state]) => state === '01' && `${local} ${remote}`.includes(hexPort(port)))
        .map(([, , , , , timer = '']) => timer.split(':')[0]);
    await expect.poll(timers, { timeout: 20_000 }).toEqual(['02', '02']);
    near.destroy();
    theirs.destroy();
    await close();
  },
);

const hexPort = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
