/**
 * The compartment in which a program is evaluated: its global object holds the standard JavaScript of the list
 * below and what is endowed, all of it frozen (R1, R5), and there is no other way to anything. One compartment
 * a thread; it must never be given an object that is not frozen to its last corner.
 */

import { refuseImportPhases } from './import-phases.js';
import type { Compartment, Locked } from './lockdown.js';
import { respellDynamic } from './ses-spelling.js';

/** The list is of what is kept, so that what a later ses or Node adds is absent until somebody has looked at it. */
const GLOBALS: ReadonlySet<PropertyKey> = new Set<PropertyKey>(
  [
    'globalThis Infinity NaN undefined eval isFinite isNaN parseFloat parseInt',
    'decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape',
    'AggregateError Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date',
    'Error EvalError Float32Array Float64Array Function Int8Array Int16Array Int32Array Iterator Map Number',
    'Object Promise Proxy RangeError ReferenceError RegExp Set String Symbol SyntaxError TypeError Uint8Array',
    'Uint8ClampedArray Uint16Array Uint32Array URIError WeakMap WeakSet JSON Math Reflect harden',
  ].flatMap((line) => line.split(' ')),
);

export interface Place {
  /** The value of `source`, a script. What it throws is a value of the guest's. */
  evaluate(source: string): unknown;
  /** The frozen global object. For tests. */
  readonly globalThis: object;
}

/** Makes the compartment. `endowments` become globals; they are hardened here. */
export function makeCompartment(locked: Locked, endowments: Readonly<Record<string, unknown>>): Place {
  const compartment: Compartment = new locked.Compartment({
    __options__: true,
    name: 'domain',
    // Before the checks of ses, which are always last.
    transforms: [refuseImportPhases, respellDynamic],
    resolveHook: noModules,
    importHook: noModules,
    importNowHook: noModules,
    moduleMapHook: noModules,
  });
  const global = compartment.globalThis;
  for (const name of Reflect.ownKeys(global)) {
    const fixed = Object.getOwnPropertyDescriptor(global, name)!.configurable === false;
    if (!GLOBALS.has(name) && !fixed) delete global[name];
  }
  // ses withholds these for the payload that a NaN can carry in secret between compartments. There is one here.
  global['Float32Array'] = Float32Array;
  global['Float64Array'] = Float64Array;
  for (const [name, value] of Object.entries(endowments)) global[name] = value;
  locked.harden(global);
  return {
    // A direct `eval` is an indirect one here, whatever it looks like, and so need not be refused.
    evaluate: (source) => compartment.evaluate(source, { __rejectSomeDirectEvalExpressions__: false }),
    globalThis: global,
  };
}

function noModules(): never {
  throw new Error('a domain cannot load modules');
}
