/**
 * The `Peer` of peer.capnp in JavaScript: what the Node program serves, and what a domain of a broker is. What the two
 * have in different ways they bring along.
 */
import type { CallContext, Stub } from '../../rpc/index.js';
import { difference, isPattern, pattern, sample } from './sample.js';

export type ErrorType = 'failed' | 'overloaded' | 'disconnected' | 'unimplemented';

/** What differs between a program and a domain. */
export interface Surroundings {
  readonly language: string;
  readonly library: string;
  /** Checks that cannot be passed here, with the reasons. */
  readonly cannot: Readonly<Record<string, string>>;
  error(type: ErrorType, message: string): Error;
  /** The object that answers `Saved` under this name. */
  saved(name: string): object;
  /** Does not come back. */
  exit(): never;
}

// biome-ignore lint/suspicious/noExplicitAny: the stubs are those of peer.capnp
type AnyStub = Stub & Record<string, any>;

export function peerObject(surroundings: Surroundings): object {
  const counts = { hanging: 0, cancelled: 0, live: 0 };
  let waiting: ((place: number) => void)[] = [];
  let kept: AnyStub | null = null;

  const made = (): object => {
    counts.live++;
    return {
      call: ({ number }: { number: number }) => ({ answer: number }),
      [Symbol.dispose]() {
        counts.live--;
      },
    };
  };

  const peer = {
    describe: () => ({
      language: surroundings.language,
      library: surroundings.library,
      cannot: Object.entries(surroundings.cannot).map(([check, why]) => ({ check, why })),
    }),

    echo({ value }: { value: Record<string, unknown> }) {
      const differs = difference(value, sample());
      if (differs !== null) throw surroundings.error('failed', differs);
      const { callback, callbacks, anything, anyCapability } = value;
      return { value: { ...sample(), callback, callbacks, anything, anyCapability } };
    },

    link: () => ({ link: linkAt(0) }),

    async callBack({ callback, times }: { callback: AnyStub; times: number }) {
      const answers: number[] = [];
      for (let number = 0; number < times; number++) answers.push((await callback.call({ number })).answer);
      return { answers };
    },

    keep({ callback }: { callback: AnyStub }) {
      kept?.[Symbol.dispose]();
      kept = callback.dup();
    },
    async tell({ number }: { number: number }) {
      if (kept === null) throw surroundings.error('failed', 'nothing was kept');
      return { answer: (await kept.call({ number })).answer };
    },
    drop() {
      kept?.[Symbol.dispose]();
      kept = null;
    },

    async bounce({ bouncer, left }: { bouncer: AnyStub; left: number }) {
      if (left === 0) return { bounces: 0 };
      return { bounces: (await bouncer.bounce({ peer, left: left - 1 })).bounces + 1 };
    },

    reflect: ({ callback }: { callback: AnyStub }) => ({ callback }),

    later({ source }: { source: AnyStub }, context: CallContext) {
      return { callback: context.use(source.give({}).callback as AnyStub) };
    },

    fail({ type, message }: { type: ErrorType; message: string }) {
      throw surroundings.error(type, message);
    },

    async relay({ thrower, type, message }: { thrower: AnyStub; type: ErrorType; message: string }) {
      await thrower.fail({ type, message });
    },

    async forward({ link }: { link: AnyStub }, context: CallContext) {
      const next = await link.next({});
      return { link: context.use(next.link) };
    },

    hang(_params: object, { signal }: CallContext) {
      counts.hanging++;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          counts.hanging--;
          counts.cancelled++;
          reject(surroundings.error('failed', 'cancelled'));
        });
      });
    },

    counts: () => ({ counts: { ...counts, waiting: waiting.length } }),

    make: ({ count }: { count: number }) => ({ made: Array.from({ length: count }, made) }),
    same: ({ count }: { count: number }) => ({ made: new Array(count).fill(made()) }),

    blob: ({ size }: { size: number }) => ({ data: pattern(size) }),
    take: ({ data }: { data: Uint8Array }) => ({ size: data.length, intact: isPattern(data) }),

    wait: () =>
      new Promise((resolve) => {
        waiting.push((place) => resolve({ place }));
      }),
    open() {
      const opened = waiting;
      waiting = [];
      opened.forEach((open, place) => {
        open(place);
      });
      return { opened: opened.length };
    },

    sink: () => ({ sink: sinkObject() }),

    save: ({ name }: { name: string }) => ({ saved: surroundings.saved(name) }),

    exit() {
      surroundings.exit();
    },
  };
  return peer;
}

function linkAt(depth: number): object {
  return {
    next() {
      const link = linkAt(depth + 1);
      return { link, nested: { deeper: { link } } };
    },
    depth: () => ({ depth }),
  };
}

function sinkObject(): object {
  let writes = 0;
  let bytes = 0n;
  let inOrder = true;
  return {
    write({ number, data }: { number: number; data: Uint8Array }) {
      inOrder &&= number === writes;
      writes++;
      bytes += BigInt(data.length);
    },
    done: () => ({ writes, bytes, inOrder }),
  };
}
