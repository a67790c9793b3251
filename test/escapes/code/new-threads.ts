import { escapeClass } from '../harness/escape-class.js';
import { waysTo } from '../harness/node-module.js';

export default escapeClass({
  name: 'the module node:worker_threads',
  from: 'Node: its own modules',
  rules: ['R2', 'R8'],
  out: 'the module is reached, which starts threads, and finds the port of this one',
  attempts: waysTo('worker_threads', "typeof it.Worker === 'function'"),
});
