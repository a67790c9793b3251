import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'floods of capabilities',
  from: 'Cap’n Proto: each object that is passed is a row of a table',
  rules: ['R7', 'R9'],
  attempts: {
    'callbacks that never answer': {
      body: `await Promise.all(Array.from({ length: 20000 }, () => world.grants.neighbour.tell({ text: 'x', listener: { heard: () => new Promise(() => {}) } }).catch((error) => { throw error; }))); return true;`,
      limits: { turnMillis: 20_000 },
      told: /as many calls in flight as it may|overloaded|limit/,
      bare: 'gets',
    },
  },
});
