import { denialClass } from '../harness/denial-class.js';

const stopped = /^it ended: (a turn took longer than its limit|its heap limit|its host)/;

export default denialClass({
  name: 'huge integers',
  from: 'JavaScript: a bigint has up to 2 ** 30 bits',
  rules: ['R6', 'R7'],
  attempts: {
    multiplied: {
      body: `let x = 3n; for (let i = 0; ; i++) x = x < 2n ** 20000000n ? x * x : 3n;`,
      stopped,
      bare: 'hangs',
    },
    raised: { body: `for (let i = 0n; ; i++) 7n ** (1000000n + i);`, stopped, bare: 'hangs' },
    'as texts': { body: `const x = 7n ** 1000000n; for (;;) x.toString();`, stopped, bare: 'hangs' },
  },
});
