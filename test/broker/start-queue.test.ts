import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Entrance } from '../../broker/admission.js';
import { CpuShare } from '../../broker/cpu-share.js';
import { StartQueue } from '../../broker/start-queue.js';
import { Supervisor } from '../../broker/supervisor.js';
import { connectSocket, listenSocket, type Session, type Stub } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';

/** Starts that end when they are told to. */
class Starts {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  start(name: string): () => Promise<string> {
    return () => {
      this.begun.push(name);
      return new Promise((resolve) => this.#ends.set(name, () => resolve(name)));
    };
  }

  end(name: string): void {
    this.#ends.get(name)!();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a queue of starts', () => {
  it('lets so many start at a time, and the others in the order of their coming', async () => {
    const [queue, starts] = [new StartQueue(2), new Starts()];
    const all = ['a', 'b', 'c', 'd'].map((name) => queue.inTurn(starts.start(name)));
    await turn();
    expect(starts.begun).toEqual(['a', 'b']);
    starts.end('b');
    await turn();
    expect(starts.begun).toEqual(['a', 'b', 'c']);
    starts.end('a');
    await turn();
    for (const name of ['c', 'd']) starts.end(name);
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('goes on after a start that failed', async () => {
    const queue = new StartQueue(1);
    const failed = queue.inTurn(() => Promise.reject(new Error('no thread')));
    const next = queue.inTurn(() => Promise.resolve('started'));
    await expect(failed).rejects.toThrow('no thread');
    expect(await next).toBe('started');
    expect(await queue.inTurn(() => Promise.resolve('again'))).toBe('again');
  });

  it('refuses as overloaded what is more than may wait', async () => {
    const [queue, starts] = [new StartQueue(1, 1), new Starts()];
    const first = queue.inTurn(starts.start('first'));
    const second = queue.inTurn(starts.start('second'));
    await expect(queue.inTurn(starts.start('third'))).rejects.toMatchObject({
      type: 'overloaded',
      message: '1 starts wait already',
    });
    starts.end('first');
    await first;
    await turn();
    starts.end('second');
    expect(await second).toBe('second');
  });

  it('forgets who gave up, and keeps no place for them', async () => {
    const [queue, starts] = [new StartQueue(1), new Starts()];
    const first = queue.inTurn(starts.start('first'));
    const given = new AbortController();
    const second = queue.inTurn(starts.start('second'), given.signal);
    const third = queue.inTurn(starts.start('third'));
    given.abort(new Error('stopped'));
    await expect(second).rejects.toThrow('stopped');
    await expect(queue.inTurn(starts.start('fourth'), given.signal)).rejects.toThrow('stopped');
    starts.end('first');
    await first;
    await turn();
    expect(starts.begun).toEqual(['first', 'third']);
    starts.end('third');
    await third;
  });
});

describe('a token', () => {
  let folder: string;
  const sessions: Session[] = [];
  afterEach(async () => {
    vi.useRealTimers();
    for (const session of sessions.splice(0)) session.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('lives from when there is a thread to show it, and ten seconds from then on', async () => {
    folder = await mkdtemp(join(tmpdir(), 'sturdy-entrance-'));
    const path = join(folder, 'domains.sock');
    const entrance = new Entrance({});
    const listener = await listenSocket({ path }, (socket) => entrance.accept(socket));
    const enter = async (token: Uint8Array) => {
      const session = await connectSocket({ path });
      sessions.push(session);
      const threshold = session.bootstrap<Stub & { enter(params: object): Promise<object> }>(
        sturdySchema().interface('Threshold'),
      );
      return threshold.enter({ token }).then(
        () => 'admitted',
        (error: { message: string }) => error.message,
      );
    };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const admit = () => ({
      load: async () => ({}),
      ready: async () => {},
      failed: () => {},
      own: async () => ({}),
    });
    const limits = { imports: 100, bytesQueued: 1_000_000 };
    const waiting = entrance.expect('waits', limits, admit);
    const late = entrance.expect('is late', limits, admit);
    late.begin();
    vi.advanceTimersByTime(60_000);
    expect(await enter(late.token)).toBe('no such token');
    waiting.begin();
    vi.advanceTimersByTime(9_000);
    expect(await enter(waiting.token)).toBe('admitted');
    expect(await enter(waiting.token)).toBe('no such token');
    const withdrawn = entrance.expect('is given up', limits, admit);
    withdrawn.withdraw();
    expect(await enter(withdrawn.token)).toBe('no such token');
    entrance.close();
    await listener.close();
  });
});

describe('a host', () => {
  it('that takes longer for its first word than it may later for an answer is waited for', async () => {
    const lines: string[] = [];
    const log = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
    const supervisor = new Supervisor({
      socket: '/nowhere/domains.sock',
      accept: () => {},
      log: { debug: log, info: log, warn: log },
      warm: 0,
      hostModule: fileURLToPath(new URL('./hosts/late.mjs', import.meta.url)),
    });
    let ended: (reason: string) => void = () => {};
    const end = new Promise<string>((resolve) => {
      ended = resolve;
    });
    await supervisor.start({
      domain: 'late',
      group: 'late',
      tier: 'thread',
      limits: { offHeapMebibytes: 64, heapMebibytes: 64, turnMillis: 1000 },
      cpu: new CpuShare(2, 10_000),
      token: new Uint8Array(32),
      onEnd: ended,
    });
    // It got its orders, and there is nothing where they send it.
    expect(await end).toContain('/nowhere/domains.sock');
    expect(lines.join('\n')).not.toContain('did not answer');
    await supervisor.close();
  });
});
