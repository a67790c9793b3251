import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'constructors of async functions and generators',
  from: 'CVE-2026-23830',
  rules: ['R1', 'R2'],
  out: "a function made of text sees Node's process",
  attempts: {
    'of an async function': `return isProcess(await (async () => {}).constructor('return process')());`,
    'of a generator': `return isProcess((function* () {}).constructor('yield process')().next().value);`,
    'of an async generator': `return isProcess((await (async function* () {}).constructor('yield process')().next()).value);`,
    'of an async method': `return isProcess(await ({ async x() {} }).x.constructor('return process')());`,
    'of a generator, by its prototype': `const { constructor } = Object.getPrototypeOf(function* () {}); return isProcess(constructor('yield process')().next().value);`,
    'of an async generator, by Reflect': `const make = Reflect.getPrototypeOf(async function* () {}).constructor;
      return isProcess((await Reflect.apply(make, null, ['yield process'])().next()).value);`,
  },
});
