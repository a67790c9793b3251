import { denialClass } from '../harness/denial-class.js';

const stopped = /^it ended: a turn took longer than its limit/;

export default denialClass({
  name: 'catastrophic regular expressions',
  from: 'ReDoS: backtracking that doubles with each character',
  rules: ['R6', 'R7'],
  attempts: {
    'a nested repetition': { body: `return /^(a+)+$/.test('a'.repeat(60) + 'b');`, stopped, bare: 'hangs' },
    alternatives: { body: `return /^(a|a)*$/.test('a'.repeat(60) + 'b');`, stopped, bare: 'hangs' },
    'a reference back': { body: `return /^(a*)*\\1b$/.test('a'.repeat(60));`, stopped, bare: 'hangs' },
    'in a replacement': {
      body: `return ('x'.repeat(50) + 'y').replace(/^(x+x+)+$/, '') === '';`,
      stopped,
      bare: 'hangs',
    },
  },
});
