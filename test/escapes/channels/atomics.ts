import { builtin, escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'timers made of Atomics',
  from: 'JavaScript: Atomics.wait with a time',
  rules: ['R3', 'R7'],
  out: 'the thread waits for a time that the guest chose',
  attempts: {
    'a wait': `return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1) === 'timed-out';`,
    'an asynchronous wait': {
      needs: builtin('Atomics.waitAsync'),
      body: `return (await Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1).value) === 'timed-out';`,
    },
    'a notification': `return Atomics.notify(new Int32Array(new SharedArrayBuffer(4)), 0) === 0;`,
    'a pause': { needs: builtin('Atomics.pause'), body: `return Atomics.pause() === undefined;` },
    'by text': `return typeof (0, eval)('Atomics').wait === 'function';`,
  },
});
