import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'direct eval',
  from: 'JavaScript: eval sees the scope that it is called in',
  rules: ['R1', 'R2'],
  out: "the text sees Node's process",
  attempts: {
    plainly: `return isProcess(eval('process'));`,
    'as this': `return isProcess(eval('this').process);`,
    'in a function of its own': `return isProcess((function () { return eval('process'); })());`,
    'in a parameter': `return isProcess(((it = eval('process')) => it)());`,
    'twice over': `return isProcess(eval("eval('process')"));`,
    'in strict text': `return isProcess(eval("'use strict'; process"));`,
  },
});
