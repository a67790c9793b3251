import { escapeClass } from '../harness/escape-class.js';
import { waysTo } from '../harness/node-module.js';

export default escapeClass({
  name: 'the module node:net',
  from: 'Node: its own modules',
  rules: ['R2', 'R8'],
  out: 'the module is reached, which connects to anybody',
  attempts: waysTo('net', "typeof it.connect === 'function'"),
});
