import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: "shadowing the guard's own names",
  from: 'Python: a program that defines the names that its guard uses; in JavaScript, `with` and Symbol.unscopables',
  rules: ['R1', 'R2'],
  out: "names that were shadowed are seen again: Node's process",
  bare: 'scope',
  attempts: {
    'by what a function is called on': `found = function () { return this; }; const scope = found(); scope[Symbol.unscopables] = { process: true }; return isProcess(process);`,
    'by assigning a shadowed name': `found = function () { return this; }; const scope = found(); scope[Symbol.unscopables] = { globalThis: true }; return isProcess(globalThis.process);`,
    'by eval, once it is seen': `found = function () { return this; }; const scope = found(); scope[Symbol.unscopables] = { eval: true }; return isProcess(eval('this.process'));`,
    'by a function that is seen again': `found = function () { return this; }; const scope = found(); scope[Symbol.unscopables] = { Function: true }; return isProcess(new Function('return process')());`,
  },
});
