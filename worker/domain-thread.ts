/**
 * One thread of a host, seen from the host's main thread: a Piscina task that runs the shell, from being parked to being
 * gone. It takes one domain for its whole life and is never used again.
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { type Door, fromThread, type Seat, type ThreadMemory, type ToThread } from './orders.js';
import type { TurnWatch, WatchedThread } from './turn-watch.js';

type State =
  | { readonly is: 'starting' }
  | { readonly is: 'parked'; readonly worker: Worker }
  | { readonly is: 'inhabited'; readonly worker: Worker; readonly turnMillis: number }
  | { readonly is: 'gone'; readonly reason: string };

export class DomainThread implements WatchedThread {
  /** Fulfilled when the thread waits for orders, or is gone already. */
  readonly parked: Promise<void>;
  /** Fulfilled with the reason when the thread is gone. */
  readonly gone: Promise<string>;
  /** What the kernel calls it; 0 while that is not known. */
  task = 0;
  /** When it was last asked; null before it has answered for the first time. */
  memory: ThreadMemory | null = null;
  #state: State = { is: 'starting' };
  /** The first reason that was given for the end is the one that counts. */
  #reason: string | null = null;
  #parked: () => void = () => {};
  #gone: (reason: string) => void = () => {};
  readonly #port: MessagePort;
  readonly #abort = new AbortController();

  /**
   * @param heapMebibytes for the reason of an end, where the heap was full.
   * @param watch over its turns, from when its domain's program begins.
   * @param onOverdue called when the thread's turn is too long.
   */
  constructor(
    private readonly pool: Piscina,
    private readonly heapMebibytes: number,
    private readonly watch: TurnWatch,
    private readonly onOverdue: (thread: DomainThread) => void,
  ) {
    this.parked = new Promise((resolve) => {
      this.#parked = resolve;
    });
    this.gone = new Promise((resolve) => {
      this.#gone = resolve;
    });
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', (posted: unknown) => this.#take(posted));
    const seat: Seat = { orders: port2 };
    pool.run(seat, { transferList: [port2], signal: this.#abort.signal }).then(
      () => this.#ended(null),
      (error: unknown) => this.#ended(error),
    );
  }

  get isParked(): boolean {
    return this.#state.is === 'parked';
  }

  /** Gives a parked thread to a domain. */
  enter(door: Door, token: Uint8Array, turnMillis: number): void {
    if (this.#state.is !== 'parked')
      throw new Error(`a thread that is ${this.#state.is} cannot be given to a domain`);
    this.#state = { is: 'inhabited', worker: this.#state.worker, turnMillis };
    this.#post({ kind: 'enter', door, token });
  }

  /** Ends the thread. `gone` is fulfilled when it has ended, which one in an uninterruptible builtin never does. */
  terminate(reason: string): void {
    this.#reason ??= reason;
    this.#abort.abort();
  }

  idleMillis(): number {
    return this.#state.is === 'inhabited' ? this.#state.worker.performance.eventLoopUtilization().idle : 0;
  }

  ping(): void {
    this.#post({ kind: 'ping' });
  }

  /** Asks for `memory` to be brought up to date, which it is when its turn is over. */
  measure(): void {
    this.#post({ kind: 'measure' });
  }

  overdue(): void {
    this.onOverdue(this);
  }

  #post(message: ToThread): void {
    this.#port.postMessage(message);
  }

  #take(posted: unknown): void {
    const message = fromThread(posted);
    if (message === null) return;
    if (message.kind === 'parked') this.#park(message.threadId, message.task);
    else if (message.kind === 'memory') this.memory = message;
    else if (message.kind === 'begins') this.#begin();
    else if (message.kind === 'alive') this.watch.alive(this);
    else this.#reason ??= message.reason;
  }

  #begin(): void {
    if (this.#state.is === 'inhabited') this.watch.add(this, this.#state.turnMillis);
  }

  #park(threadId: number, task: number): void {
    const worker = this.pool.threads.find((thread) => thread.threadId === threadId);
    if (worker === undefined || this.#state.is !== 'starting') return;
    this.task = task;
    this.#state = { is: 'parked', worker };
    this.#parked();
  }

  /** Piscina's task has ended; the thread itself may still be on its way out. */
  #ended(error: unknown): void {
    const worker = 'worker' in this.#state ? this.#state.worker : null;
    // threadId is -1 once a thread has exited.
    if (worker === null || worker.threadId === -1) this.#leave(error);
    else worker.once('exit', () => this.#leave(error));
  }

  #leave(error: unknown): void {
    for (
      let last = receiveMessageOnPort(this.#port);
      last !== undefined;
      last = receiveMessageOnPort(this.#port)
    ) {
      this.#take(last.message);
    }
    this.#port.close();
    this.watch.remove(this);
    const reason = this.#reason ?? this.#describe(error);
    this.#state = { is: 'gone', reason };
    this.#parked();
    this.#gone(reason);
  }

  #describe(error: unknown): string {
    const { code, message } = (error ?? {}) as { code?: string; message?: string };
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') return `its heap limit of ${this.heapMebibytes} MiB was met`;
    return `its thread ended: ${message ?? 'for no known reason'}`;
  }
}
