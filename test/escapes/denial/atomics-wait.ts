import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'Atomics.wait',
  from: 'JavaScript: a thread that sleeps for ever',
  rules: ['R3', 'R6'],
  attempts: {
    'for ever': {
      body: `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); return true;`,
      told: /undefined|not a constructor/,
      bare: 'hangs',
    },
    'for longer than a turn': {
      body: `(0, eval)('Atomics').wait(new Int32Array(new ((0, eval)('SharedArrayBuffer'))(4)), 0, 0, 60000); return true;`,
      told: /undefined|not a constructor/,
      bare: 'hangs',
    },
  },
});
