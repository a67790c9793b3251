import { denialClass } from '../harness/denial-class.js';

const limits = { turnMillis: 20_000 };

export default denialClass({
  name: 'a heap that grows by JSON',
  from: 'V8: JSON.stringify of a huge array aborts the process',
  rules: ['R6', 'R7'],
  attempts: {
    'that is kept': {
      body: `const all = []; const big = new Array(100000).fill('xxxxxxxxxx'); for (let i = 0; ; i++) { const it = JSON.stringify([i, big]); all.push(JSON.parse(it)); }`,
      stopped: /^it ended: (its heap limit of 32 MiB was met|its host died)/,
      limits,
      bare: 'fills',
    },
    // 260 million characters: more than the heap, and less than a string may have.
    'of one thing many times': {
      body: `let it = ['x'.repeat(1000)]; for (let i = 0; i < 9; i++) it = [it, it, it, it]; for (const all = [];;) all.push(JSON.stringify(it));`,
      stopped: /^it ended: (its heap limit of 32 MiB was met|its host died|a turn took longer)/,
      limits,
      bare: 'fills',
    },
  },
});
