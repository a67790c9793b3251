import { escapeClass } from '../harness/escape-class.js';
import { waysTo } from '../harness/node-module.js';

export default escapeClass({
  name: 'the module node:child_process',
  from: 'Node: its own modules',
  rules: ['R2', 'R8'],
  out: 'the module is reached, which starts programs',
  attempts: waysTo('child_process', "typeof it.spawn === 'function'"),
});
