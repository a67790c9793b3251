import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { SES_OPTIONS } from '../../worker/lockdown.js';
import { evaluateInThread } from './threads/start.js';

/** The environment variables by which ses can be told to do less. */
const variables = [
  ...new Set(readFileSync(createRequire(import.meta.url).resolve('ses'), 'utf8').match(/LOCKDOWN_[A-Z_]+/g)),
];

describe('lockdown', () => {
  it('gives every option that the environment could give otherwise', () => {
    const option = (variable: string): string =>
      variable
        .replace('LOCKDOWN_', '')
        .replace('HARDEN_TAMING', '__HARDEN_TAMING__')
        .toLowerCase()
        .replace(/(?<=[a-z])_([a-z])/g, (_match, letter: string) => letter.toUpperCase())
        .replace('regexpTaming', 'regExpTaming');
    expect(variables.map(option).sort()).toEqual(Object.keys(SES_OPTIONS).sort());
  });

  it('is not weakened by the environment', async () => {
    const unsafe: Record<string, string> = { LOCKDOWN_OVERRIDE_DEBUG: 'constructor' };
    for (const name of variables) if (name.endsWith('_TAMING')) unsafe[name] = 'unsafe';
    unsafe['LOCKDOWN_EVAL_TAMING'] = 'unsafe-eval';
    const source = `
      try { null.x } catch (error) { tell('stack ' + error.stack) }
      tell('process ' + typeof new Function('return typeof process === "undefined" ? undefined : process')());
      tell('frozen ' + Object.isFrozen(Array.prototype) + typeof /x/.compile);`;
    expect(await evaluateInThread({ source }, unsafe)).toEqual([
      'stack ',
      'process undefined',
      'frozen trueundefined',
    ]);
  });

  it('freezes the prototypes that it freezes property by property as well as any other', async () => {
    const source = `
      const chain = [Object.prototype, Array.prototype, Object.getPrototypeOf(Uint8Array.prototype)];
      for (const name of Object.getOwnPropertyNames(globalThis)) {
        if (/^[A-Z].*Array$/.test(name)) chain.push(globalThis[name].prototype);
      }
      tell(String(chain.length >= 14 && chain.every(Object.isFrozen)));
      for (const object of chain) {
        for (const key of [...Reflect.ownKeys(object), 'added', 1]) {
          if (key === 'length') continue; // Array.prototype's throws at what is no length.
          if (Reflect.defineProperty(object, key, { value: NaN })) tell('defined ' + String(key));
        }
      }
      const bytes = new Uint8Array(2); bytes[1] = 300; bytes.extra = 1;
      tell([...bytes].join() + bytes.extra);`;
    expect(await evaluateInThread({ source })).toEqual(['true', '0,441']);
  });

  it.each([
    ['an override by assignment', `const o = {}; o.toString = () => 'mine'; tell(String(o))`, 'mine'],
    ['on an array', `const a = []; a.push = () => 'mine'; tell(a.push())`, 'mine'],
    ['on an error', `const e = new Error('x'); e.name = 'Mine'; e.message = 'y'; tell(String(e))`, 'Mine: y'],
    [
      'of a constructor in a prototype of old',
      `function A() {} function B() {} B.prototype = Object.create(A.prototype); B.prototype.constructor = B; tell(new B().constructor.name)`,
      'B',
    ],
    [
      'of a class of errors of old',
      `function E(m) { this.message = m; this.stack = new Error().stack; } E.prototype = Object.create(Error.prototype); E.prototype.name = 'E'; E.prototype.constructor = E; tell(String(new E('m')))`,
      'E: m',
    ],
    ['on a map', `const m = new Map(); m.get = () => 'mine'; tell(m.get())`, 'mine'],
    ['in a class of errors', `class E extends TypeError { name = 'E'; } tell(String(new E('m')))`, 'E: m'],
  ])('lets a package do %s', async (_what, source, told) => {
    expect(await evaluateInThread({ source: `'use strict'; ${source}` })).toEqual([told]);
  });
});
