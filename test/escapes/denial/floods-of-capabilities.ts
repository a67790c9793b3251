import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'floods of capabilities',
  from: 'Cap’n Proto: each object that is passed is a row of a table',
  rules: ['R7', 'R9'],
  attempts: {
    'callbacks that never answer': {
      body: `let refused;
        for (let i = 0; i < 20000; i++) {
          world.grants.neighbour.tell({ text: 'x', listener: { heard: () => new Promise(() => {}) } }).catch((error) => { refused ??= error; });
        }
        await world.grants.log.write({ level: 'info', message: 'x' });
        if (refused !== undefined) throw refused;
        return true;`,
      limits: { turnMillis: 20_000, heapMiB: 256 },
      told: /as many calls in flight as it may|overloaded|limit/,
      bare: 'gets',
    },
  },
});
