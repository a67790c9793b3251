import { escapeClass } from '../harness/escape-class.js';
import { waysTo } from '../harness/node-module.js';

export default escapeClass({
  name: 'the module node:inspector',
  from: 'Node: its own modules',
  rules: ['R2', 'R8'],
  out: 'the module is reached, which reads and writes every scope',
  attempts: waysTo('inspector', "typeof it.Session === 'function'"),
});
