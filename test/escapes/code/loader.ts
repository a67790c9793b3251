import { escapeClass } from '../harness/escape-class.js';
import { waysTo } from '../harness/node-module.js';

export default escapeClass({
  name: 'the module node:module',
  from: 'Node: its own modules',
  rules: ['R2', 'R8'],
  out: 'the module is reached, which loads any other',
  attempts: waysTo('module', "typeof it.createRequire === 'function'"),
});
