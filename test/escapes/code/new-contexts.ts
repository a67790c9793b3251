import { escapeClass } from '../harness/escape-class.js';
import { waysTo } from '../harness/node-module.js';

export default escapeClass({
  name: 'the module node:vm',
  from: 'Node: its own modules',
  rules: ['R2', 'R8'],
  out: 'the module is reached, which evaluates text in the thread itself',
  attempts: waysTo('vm', "typeof it.runInThisContext === 'function'"),
});
