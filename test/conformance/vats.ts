/** Vats in memory for the conformance tests: objects that record what arrives, and links that can be blocked and cut. */
import { expect } from 'vitest';
import type { CallInProgress, Capability } from '../../rpc/capability.js';
import { Connection } from '../../rpc/connection.js';
import type { RpcError } from '../../rpc/error.js';
import type { ConnectionLimits } from '../../rpc/limits.js';
import { type Dispatcher, type LocalCall, LocalCapability } from '../../rpc/local.js';
import { Payload } from '../../rpc/payload.js';
import { type MemoryPair, memoryPair } from '../../rpc/transport/memory.js';
import { MessageBuilder } from '../../schema/index.js';

export const TEST_INTERFACE = 0xfeed_0000_0000_0001n;

/** A payload of one number and capabilities, whose references it takes over: capability i at the pointer i. */
export function payload(value: number, capabilities: readonly (Capability | null)[] = []): Payload {
  const message = new MessageBuilder();
  const struct = message.root.struct(1, capabilities.length);
  struct.setU32(0, value);
  capabilities.forEach((capability, i) => {
    if (capability !== null) struct.pointer(i).setCapability(i);
  });
  return new Payload(message.asReader().root, capabilities);
}

export function numberOf(content: Payload): number {
  return content.content.struct().u32(0);
}

/** An object that does with a call what `handle` says; by default it echoes the params' number. */
export class TestObject implements Dispatcher {
  readonly received: number[] = [];
  readonly pending: LocalCall[] = [];
  alive = true;

  constructor(private readonly handle: (call: LocalCall, object: TestObject) => void = echo) {}

  dispatch(call: LocalCall): void {
    this.received.push(numberOf(call.params));
    this.handle(call, this);
  }

  dropped(): void {
    this.alive = false;
  }

  /** A new capability to it. */
  capability(): LocalCapability {
    return new LocalCapability(this);
  }
}

export function echo(call: LocalCall): void {
  const value = numberOf(call.params);
  call.params.release();
  call.return_(payload(value));
}

/** Keeps the call, to be ended by the test. */
export function hold(call: LocalCall, object: TestObject): void {
  object.pending.push(call);
}

/** The outcome of a call, as the test sees it. */
export class Outcome {
  value: number | null = null;
  error: RpcError | null = null;
  results: Payload | null = null;
  call!: CallInProgress;

  returned(results: Payload): void {
    this.results = results;
    this.value = numberOf(results);
  }

  failed(error: RpcError): void {
    this.error = error;
  }

  get done(): boolean {
    return this.value !== null || this.error !== null;
  }

  /** A new reference to the result's capability `i`. */
  capability(i = 0): Capability {
    return this.results!.capabilityAt([i])!.retain();
  }
}

/** Calls `target` with a number and capabilities, whose references it takes over. */
export function call(
  target: Capability,
  value: number,
  capabilities: readonly (Capability | null)[] = [],
  methodId = 0,
): Outcome {
  const outcome = new Outcome();
  outcome.call = target.call(
    { interfaceId: TEST_INTERFACE, methodId, params: payload(value, capabilities) },
    outcome,
  );
  return outcome;
}

/** Two connected vats. */
export class Pair {
  readonly links: MemoryPair = memoryPair();
  readonly left: Connection;
  readonly right: Connection;
  readonly closed: { left: RpcError | null; right: RpcError | null } = { left: null, right: null };

  constructor(options: { left?: Capability; right?: Capability; limits?: Partial<ConnectionLimits> } = {}) {
    const end = (side: 'left' | 'right') => {
      const transport = this.links[side];
      const connection = new Connection({
        send: (message) => transport.send(message),
        closed: (reason) => {
          this.closed[side] = reason;
          transport.close();
        },
        bootstrap: options[side] ?? null,
        ...(options.limits ? { limits: options.limits } : {}),
      });
      options[side]?.release();
      transport.start({
        message: (segments) => connection.receive(segments),
        violated: (reason) => connection.abort(reason),
        closed: (reason) => connection.disconnected(reason),
      });
      return connection;
    };
    this.left = end('left');
    this.right = end('right');
  }

  /** Every table of both vats is empty, and neither connection has ended. */
  expectEmpty(): void {
    expect(this.closed).toEqual({ left: null, right: null });
    expect({ left: this.left.tables, right: this.right.tables }).toEqual({ left: EMPTY, right: EMPTY });
  }
}

export const EMPTY = { questions: 0, answers: 0, exports: 0, imports: 0, embargoes: 0 };

/** Lets everything that can be delivered be delivered. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
