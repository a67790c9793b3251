import { denialClass } from '../harness/denial-class.js';

const stopped = /^it ended: (its heap limit of 32 MiB was met|its host died)/;
const limits = { turnMillis: 20_000 };

export default denialClass({
  name: 'a heap that grows by arrays',
  from: 'V8: an array of 2 ** 32 - 1 elements aborts the process',
  rules: ['R6', 'R7'],
  attempts: {
    'of arrays': {
      body: `const all = []; for (;;) all.push(new Array(1000).fill(all.length));`,
      stopped,
      limits,
      bare: 'fills',
    },
    'made of a length': {
      body: `return Array.from({ length: 2 ** 32 - 1 }).length > 0;`,
      stopped,
      limits,
      bare: 'fills',
    },
    'of closures': {
      body: `const all = []; for (let i = 0; ; i++) { const held = [i, i]; all.push(() => held); }`,
      stopped,
      limits,
      bare: 'fills',
    },
    'that are spread': {
      body: `let all = [1]; for (;;) all = [...all, ...all];`,
      stopped,
      limits,
      bare: 'fills',
    },
  },
});
