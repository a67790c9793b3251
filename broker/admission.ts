/**
 * How a domain comes in: the private socket, or the connection that its host has inherited, where a thread shows the token that it was started with, and gets its
 * program, its grants, and nothing else.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  type CallContext,
  type ConnectionLimits,
  RpcError,
  Session,
  StreamTransport,
  type Stub,
  serve,
} from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';

/** How long a token is good for, from when there is a thread to show it, in milliseconds. */
const TOKEN_LIFE = 10_000;

/** What may wait for a domain before its clients' cancelled calls count as in flight, in bytes. */
const BACKLOG = 1024 * 1024;

/** How long until it is looked at again, in milliseconds. */
const BACKLOG_LOOK = 10;

/** What the broker does for a domain that has come in: Admission of schema/domain.capnp. */
export interface AdmissionServer {
  load(): Promise<object>;
  ready(params: { restorer: Stub }): Promise<void>;
  failed(params: { message: string }): void;
  own(params: { cap: Stub | null }, context: CallContext): Promise<object>;
}

/** What is seen of the connection of a domain from here. */
export interface Line {
  /** How many bytes went there and came from there so far. */
  traffic(): number;
  /** How many wait to be read by the domain. */
  bytesQueued(): number;
}

/** Makes the admission of the domain whose thread is at the other end of `session`. */
export type Admit = (session: Session, line: Line) => AdmissionServer;

/** What a domain may make its connection hold. */
export type DomainLimits = Pick<ConnectionLimits, 'imports' | 'bytesQueued'>;

interface Expectation {
  readonly domain: string;
  readonly limits: DomainLimits;
  readonly admit: Admit;
  timer: NodeJS.Timeout | null;
}

/** A domain that may come in. */
export interface Expected {
  /** Good once. */
  readonly token: Uint8Array;
  /** A thread has it: its life begins. */
  begin(): void;
  /** Whoever shows the token from now on is not let in. */
  withdraw(): void;
}

export class Entrance {
  readonly #expected = new Map<string, Expectation>();
  readonly #sessions = new Set<Session>();
  readonly #transports = new Set<StreamTransport>();
  #waiting: (() => void)[] = [];

  constructor(private readonly limits: Partial<ConnectionLimits>) {}

  /**
   * A new token, good once. Whoever shows it in time is let in as `domain`, by `admit`. The caller says when its life begins,
   * and withdraws it where it is not needed any more.
   */
  expect(domain: string, limits: DomainLimits, admit: Admit): Expected {
    const token = new Uint8Array(randomBytes(32));
    const key = keyOf(token);
    const expected: Expectation = { domain, limits, admit, timer: null };
    this.#expected.set(key, expected);
    const withdraw = () => {
      if (expected.timer !== null) clearTimeout(expected.timer);
      this.#expected.delete(key);
    };
    return {
      token,
      begin: () => {
        if (expected.timer !== null || !this.#expected.has(key)) return;
        expected.timer = setTimeout(withdraw, TOKEN_LIFE);
        expected.timer.unref();
      },
      withdraw,
    };
  }

  /**
   * A connection to the private socket, or, with `only`, one that a host has inherited: that token is good there, and no other. It has as
   * long to enter as a token lives.
   */
  accept(socket: Socket, only?: Uint8Array): void {
    const onlyKey = only === undefined ? null : keyOf(only);
    let entered: string | null = null;
    const threshold = serve(sturdySchema().interface('Threshold'), {
      enter: ({ token }: { token: Uint8Array }) => {
        const key = keyOf(token);
        const isMeant = entered === null && (onlyKey === null || onlyKey === key);
        const expected = isMeant ? this.#expected.get(key) : undefined;
        if (expected === undefined) {
          setImmediate(() => session.close('no such token'));
          throw new RpcError('failed', 'no such token', { code: 'ERR_TOKEN' });
        }
        entered = expected.domain;
        this.#expected.delete(key);
        if (expected.timer !== null) clearTimeout(expected.timer);
        session.connection.restrict(expected.limits);
        transport.restrict(expected.limits);
        const line = {
          traffic: () => socket.bytesRead + socket.bytesWritten,
          bytesQueued: () => transport.bytesQueued,
        };
        return { admission: expected.admit(session, line) };
      },
    });
    const transport = new StreamTransport(socket, this.limits);
    this.#transports.add(transport);
    const session = new Session(transport, {
      bootstrap: threshold,
      limits: this.limits,
      explain: (lost) =>
        entered === null
          ? lost
          : new RpcError('disconnected', `domain ${entered} is gone: ${lost.message}`, {
              code: 'ERR_DOMAIN_GONE',
              cause: lost,
            }),
    });
    threshold[Symbol.dispose]();
    this.#sessions.add(session);
    const timer = setTimeout(() => {
      if (entered === null) session.close('nobody entered');
    }, TOKEN_LIFE);
    timer.unref();
    void session.closed.then(() => {
      clearTimeout(timer);
      this.#sessions.delete(session);
      this.#transports.delete(transport);
    });
  }

  /** Does `action` as soon as no domain has much to read: what was sent to it has left this process. */
  readonly whenPassedOn = (action: () => void): void => {
    if (!this.#behind) return action();
    if (this.#waiting.push(action) === 1) this.#look();
  };

  get #behind(): boolean {
    for (const { bytesQueued } of this.#transports) if (bytesQueued > BACKLOG) return true;
    return false;
  }

  #look(): void {
    setTimeout(() => {
      if (this.#behind) return this.#look();
      for (const action of this.#waiting.splice(0)) action();
    }, BACKLOG_LOOK);
  }

  close(): void {
    for (const { timer } of this.#expected.values()) if (timer !== null) clearTimeout(timer);
    this.#expected.clear();
    for (const session of this.#sessions) session.close('the broker stops');
  }
}

/** Tokens are looked up by their digests, so that the time of a look-up tells nothing of them. */
function keyOf(token: Uint8Array): string {
  return createHash('sha256').update(token).digest('base64');
}
