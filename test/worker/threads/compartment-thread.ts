/**
 * A real thread, locked down as a domain's is, that evaluates the text it was started with in a compartment
 * and posts what the text told it by `tell(string)`. With `isTrusted(object)` the text asks whether an object
 * belongs to the trusted side.
 */
import { EventEmitter } from 'node:events';
import Module from 'node:module';
import net from 'node:net';
import process from 'node:process';
import { runInThisContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { makeCompartment } from '../../../worker/compartment.js';
import { lockdown } from '../../../worker/lockdown.js';

export interface ThreadOrder {
  readonly source: string;
  /** Names of globals that have to be gone from the thread's own global object are told first. */
  readonly tellGlobals?: boolean;
}

const { source, tellGlobals } = workerData as ThreadOrder;
const port = parentPort!;
const tell = Object.freeze((text: unknown): void => {
  if (typeof text === 'string') port.postMessage(text);
});
/** Taken before lockdown: what the trusted side, and nobody else, may hold. */
const trusted = new Set<unknown>(collectTrusted());

/** As ses is run: a script without a loader. It holds on to the untamed `eval`, as ses does. */
const feralEval = runInThisContext('((feral) => (source) => feral(source))(eval)') as (
  source: string,
) => Promise<unknown>;
const locked = lockdown();

if (tellGlobals) {
  tell(`globals ${Reflect.ownKeys(globalThis).map(String).join(' ')}`);
  tell(
    `env ${Object.keys(process.env).length} argv ${process.argv.length} execArgv ${process.execArgv.length}`,
  );
  try {
    (Module as unknown as { _load(name: string): void })._load('fs');
    tell('loaded');
  } catch (error) {
    tell(`load: ${(error as Error).message}`);
  }
  await feralEval('import("node:fs")').then(
    () => tell('imported'),
    (error: NodeJS.ErrnoException) => tell(`import: ${error.code}`),
  );
}
const isTrusted = Object.freeze((value: unknown): boolean => trusted.has(value));
try {
  makeCompartment(locked, { tell, isTrusted }).evaluate(source);
} catch (error) {
  tell(`threw ${String(error)}`);
}
// What the text has left to its promises is done in a turn or two; nothing else keeps this thread.

function collectTrusted(): unknown[] {
  const roots: unknown[] = [
    process, Module, net, EventEmitter, port, globalThis, Error, Date, RegExp, Function, Symbol, setTimeout,
    setImmediate, queueMicrotask, AbortController, AbortSignal, EventTarget, Event, URL, TextDecoder, TextEncoder,
    performance, console, Buffer, structuredClone, fetch, MessageChannel, BroadcastChannel, Atomics,
    SharedArrayBuffer, WeakRef, FinalizationRegistry, Intl, crypto, lockdown, makeCompartment,
  ]; // biome-ignore format: a list
  for (const name of ['eval', 'WebAssembly'])
    roots.push((globalThis as unknown as Record<string, unknown>)[name]);
  const prototypes = [Object, Function, Error, Date, RegExp, Symbol, Uint8Array].map(
    ({ prototype }) => prototype,
  );
  const shared = new Set<unknown>([Object, Uint8Array, ...prototypes, null, undefined]);
  for (const value of [...roots]) {
    if (value === globalThis) continue;
    const object = value as Record<string, unknown>;
    roots.push(Object.getPrototypeOf(object), object['prototype'], object['constructor']);
  }
  return roots.filter((value) => !shared.has(value));
}
