import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'frames of callers',
  from: 'Python: generator frames (gi_frame.f_back); in JavaScript, caller, callee and arguments',
  rules: ['R1'],
  out: 'a function finds the function that called it, or what that was called with',
  attempts: {
    'by caller': `function inner() { return inner.caller; } function outer() { return inner(); } return outer() === outer;`,
    'by callee': `return (function () { return typeof arguments.callee === 'function'; })();`,
    'by arguments': `function inner() { return outer.arguments[0]; } function outer() { return inner(); } return outer('seen') === 'seen';`,
    'by a getter': `let got; const it = { get x() { const get = Object.getOwnPropertyDescriptor(this, 'x').get; function inner() { return inner.caller === get; } return inner(); } }; return it.x || (function f() { function g() { return g.caller; } return g() === f; })();`,
    'by a callback of native code': `function caller() { return [1].map(function inner() { return inner.caller; })[0]; } return caller() === null;`,
    'by text that is sloppy': `return new Function('function inner() { return inner.caller; } function outer() { return inner(); } return outer() === outer;')();`,
  },
});
