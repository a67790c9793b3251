import { escapeClass } from '../harness/escape-class.js';
import { importing, MADE_BEFORE, moduleAttempt } from '../harness/module-attempt.js';

export default escapeClass({
  name: 'import declarations and import.meta',
  from: 'JavaScript: modules',
  rules: ['R2'],
  out: 'the module runs with a module of Node, or knows where it lies',
  notIn: { process: MADE_BEFORE, sandbox: MADE_BEFORE },
  attempts: {
    'a module of Node': moduleAttempt({
      taker: 'node',
      files: { 'entry.js': importing('* as it', 'node:fs', `typeof it.readFileSync === 'function'`) },
    }),
    'import.meta': moduleAttempt({
      taker: 'node',
      files: {
        'entry.js': `export default () => ({ main: { evaluate: () => ({ outcome: import.meta.url.startsWith('file:') ? 'out' : 'held' }) } });`,
      },
    }),
    'a require in a file of CommonJS': moduleAttempt({
      taker: 'node',
      files: {
        'entry.js': importing('it', './old.cjs', `typeof it.readFileSync === 'function'`),
        'old.cjs': `module.exports = require('fs');`,
      },
    }),
    'a program that comes from a URL': moduleAttempt({
      taker: 'node',
      files: {
        'entry.js': importing('it', 'data:text/javascript,export default globalThis.process', 'it.pid > 0'),
      },
    }),
  },
});
