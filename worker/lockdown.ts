/**
 * Turns this thread into one where nothing that a program can reach is a way out, once and for good. It is
 * called after every trusted module has been loaded and before any text of a domain is, in the order of the
 * rules of the wall: harness (whoever imports this), captured references, `repairIntrinsics`, the repairs of
 * R1, `hardenIntrinsics`, hooks; the compartment comes after.
 *
 * Every option of ses is given here, so that no environment variable can weaken one. After it:
 *
 * - the shared intrinsics are frozen, and what is not standard JavaScript is gone from them;
 * - the thread's own global object holds standard JavaScript only: no process, no timers, no Buffer, nothing
 *   of the web. A trusted module that needs one of them takes its reference while it is being loaded;
 * - nothing can be loaded any more, by anybody, trusted or not;
 * - `process` (which Node itself still uses) has lost its environment, its arguments and its ways to native
 *   code.
 *
 * ses is run as a script without a module loader, not imported. Whatever is evaluated by it, and whatever
 * that evaluates, inherits this: `import(...)` in it is refused by Node itself, whatever it was hidden in.
 */

import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import process from 'node:process';
import { runInThisContext } from 'node:vm';
import type { CompartmentOptions, Harden, RepairOptions } from 'ses';

/** All there are in ses 2.3 but for `dateTaming` and `mathTaming`, which do nothing there. */
export const SES_OPTIONS: Required<Omit<RepairOptions, 'dateTaming' | 'mathTaming'>> = {
  errorTaming: 'safe',
  errorTrapping: 'none',
  reporting: 'none',
  unhandledRejectionTrapping: 'none',
  regExpTaming: 'safe',
  localeTaming: 'safe',
  consoleTaming: 'safe',
  evalTaming: 'safe-eval',
  // Packages from npm assign what they override; this lets the most of them.
  overrideTaming: 'severe',
  overrideDebug: [],
  stackFiltering: 'concise',
  domainTaming: 'safe',
  legacyRegeneratorRuntimeTaming: 'safe',
  __hardenTaming__: 'safe',
};

/** ECMA-262, "The Global Object", with Annex B: what the thread's own global object may keep. */
const STANDARD: ReadonlySet<PropertyKey> = new Set<PropertyKey>(
  [
    'globalThis Infinity NaN undefined eval isFinite isNaN parseFloat parseInt',
    'decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape',
    'AggregateError Array ArrayBuffer AsyncIterator BigInt BigInt64Array BigUint64Array Boolean DataView Date',
    'Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array Function Int8Array Int16Array',
    'Int32Array Iterator Map Number Object Promise Proxy RangeError ReferenceError RegExp Set String Symbol',
    'SyntaxError TypeError Uint8Array Uint8ClampedArray Uint16Array Uint32Array URIError WeakMap WeakRef WeakSet',
    'JSON Math Reflect Temporal',
  ].flatMap((line) => line.split(' ')),
);

/** Gone before ses looks, so that no compartment of it has them. */
const REMOVED = [
  'TextDecoder',
  'TextEncoder',
  'WebAssembly',
  'DisposableStack',
  'AsyncDisposableStack',
  'ModuleSource',
];

/** What a locked-down thread makes compartments with. Not reachable from its global object. */
export interface Locked {
  readonly harden: Harden;
  readonly Compartment: new (options: CompartmentOptions & { __options__: true }) => Compartment;
}

export interface Compartment {
  readonly globalThis: Record<PropertyKey, unknown>;
  evaluate(source: string, options?: { __rejectSomeDirectEvalExpressions__?: boolean }): unknown;
}

interface SesGlobals {
  repairIntrinsics(options: RepairOptions): void;
  /** There after repairIntrinsics. */
  hardenIntrinsics(): void;
  /** There after hardenIntrinsics. */
  harden: Harden;
  Compartment: Locked['Compartment'];
  SuppressedError?: object;
}

/** Locks the thread down. Throws where something that has to go cannot be removed: the thread is of no use then. */
export function lockdown(): Locked {
  const globals = globalThis as unknown as SesGlobals & Record<PropertyKey, unknown>;
  stripProcess();
  for (const name of REMOVED) remove(globals, name);
  runSes();
  const harden = repairedAndHardened(globals);
  const locked: Locked = Object.freeze({ harden, Compartment: globals.Compartment });
  for (const name of Reflect.ownKeys(globals)) if (!STANDARD.has(name)) remove(globals, name);
  denyLoading();
  return locked;
}

function runSes(): void {
  const path = createRequire(import.meta.url).resolve('ses');
  runInThisContext(readFileSync(path, 'utf8'), { filename: 'ses' });
  remove(globalThis, 'lockdown');
}

function repairedAndHardened(globals: SesGlobals): Harden {
  globals.repairIntrinsics(SES_OPTIONS);
  // `using` makes SuppressedErrors by syntax alone, and ses does not know them: their constructor inherits from
  // the untamed Error, which has the CallSites.
  const { SuppressedError } = globals;
  const SharedError = Error.prototype.constructor;
  if (SuppressedError !== undefined) Object.setPrototypeOf(SuppressedError, SharedError);
  // Every reading of this gives a new function, which nobody has frozen.
  const inert = Object.freeze(() => '');
  const property = { get: () => inert, set: () => {}, enumerable: false, configurable: true };
  if ('prepareStackTrace' in SharedError) Object.defineProperty(SharedError, 'prepareStackTrace', property);
  globals.hardenIntrinsics();
  const { harden } = globals;
  if (SuppressedError !== undefined) harden(SuppressedError);
  return harden;
}

/** What `process` keeps is what Node's own code calls on it; the environment and the ways out of the thread go. */
function stripProcess(): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  process.argv.length = 0;
  process.execArgv.length = 0;
  const ways =
    'binding _linkedBinding dlopen getBuiltinModule mainModule openStdin kill _kill ' +
    '_debugProcess _debugEnd _startProfilerIdleNotifier _stopProfilerIdleNotifier report chdir ' +
    'umask abort _getActiveHandles _getActiveRequests loadEnvFile';
  for (const name of ways.split(' ')) remove(process, name);
}

/** The second wall behind the source guard: nothing is loaded in this thread again. */
function denyLoading(): void {
  const deny = (): never => {
    throw new Error('a domain cannot load modules');
  };
  const loader = Module as unknown as Record<string, unknown> & { prototype: Record<string, unknown> };
  const registerHooks = loader['registerHooks'] as undefined | ((hooks: object) => void); // since Node 22.15
  registerHooks?.({ resolve: deny, load: deny });
  for (const name of Reflect.ownKeys(loader)) {
    const property = Object.getOwnPropertyDescriptor(loader, name)!;
    if (typeof property.value === 'function' && property.writable) loader[name as string] = deny;
  }
  for (const name of ['require', 'load', '_compile']) loader.prototype[name] = deny;
  for (const table of ['_extensions', '_cache', '_pathCache']) {
    const entries = loader[table] as Record<string, unknown>;
    for (const name of Object.keys(entries)) delete entries[name];
  }
}

function remove(owner: object, name: PropertyKey): void {
  if (!Reflect.deleteProperty(owner, name)) {
    throw new Error(`lockdown: ${String(name)} has to go from this thread and cannot be removed`);
  }
}
