/**
 * What is measured, and the interface that each file of this folder implements: how its processes are started, how its
 * client connects, calls, and closes. Server and client are processes of their own, on a unix socket; the load is one
 * for all (`load.ts`), so that what differs is the subject alone.
 */

import type { Child } from '../child.js';
import type { Workload } from '../workload.js';

export interface Subject {
  /** That of its file. */
  readonly name: string;
  /** For tables and charts. */
  readonly title: string;
  /** What it does, and what is done for its advantage or disadvantage: one sentence or two, in Markdown. */
  readonly what: string;
  /** Whether it is Sturdy, a yardstick that does as little as can be done, or a peer. */
  readonly side: 'ours' | 'yardstick' | 'peer';
  /** Four calls in one round trip, in four, or not at all. */
  readonly chain: 'pipelined' | 'sequential' | null;
  /** The workloads that it is for; without them, all. Each is measured for ten times as long as the others'. */
  readonly only?: readonly Workload[];
  /** What it needs besides this package's own dependencies. */
  readonly needs: 'nothing' | 'packages' | 'c++';

  /** Run by the bench: starts whatever serves, and says how a client is started. Default: `serve` and `connect` in Node. */
  arrange?(stage: Stage): Promise<Arranged>;
  /** Run in the process of the server: serves at the unix socket `path`. */
  serve?(path: string): Promise<void>;
  /** Run in the process of the client. `address` is the path of that socket, or what `arrange` says. */
  connect?(address: string): Promise<Caller>;
}

/** `returned` is the payload as the subject has it; its length is checked each time, its bytes once. */
export type Done = (error: unknown, returned: Uint8Array | string) => void;

export interface Caller {
  /** One call. `done` is never called before this returns. */
  echo(payload: Uint8Array, done: Done): void;
  /** Four calls: `next` on the object, and on what that gives, twice more, then `echo`. */
  chain?(payload: Uint8Array, done: Done): void;
  close(): void | Promise<void>;
}

/** The processes of a subject. */
export type Role = 'client' | 'broker' | 'server';

/** Where a subject is started for one round. */
export interface Stage {
  /** A folder of its own, with a path that is short enough for sockets. */
  readonly folder: string;
  /** Starts a process, pinned as the round wants it, that is ended with the round. */
  start(command: readonly string[]): Child;
}

export interface Arranged {
  /** The program of the client, which says `ready` and takes orders from its standard input. */
  readonly client: readonly string[];
  /** A program that is in the way while it is measured: says `ready`, and `going` and `stopped` when it is told `go` and `stop`. */
  readonly crowd?: readonly string[];
  /** The processes that serve it, by what they are. */
  readonly pids: Partial<Record<Exclude<Role, 'client'>, number>>;
}
