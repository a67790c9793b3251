import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'domains that call each other for ever',
  from: 'Capabilities: a callback that calls back',
  rules: ['R7'],
  attempts: {
    'each call within the one before': {
      body: `let depth = 0;
        const listener = { async heard() { if (++depth < 5000) await world.grants.neighbour.tell({ text: 'x', listener }); return { answer: 'x' }; } };
        await world.grants.neighbour.tell({ text: 'x', listener }); return depth >= 5000;`,
      limits: { turnMillis: 20_000 },
      told: /as many calls in flight as it may|overloaded|limit/,
      bare: 'gets',
    },
    'two for each': {
      body: `let calls = 0;
        const listener = { async heard() { if (++calls < 6000) await Promise.all([0, 1].map(() => world.grants.neighbour.tell({ text: 'x', listener }))); return { answer: 'x' }; } };
        await world.grants.neighbour.tell({ text: 'x', listener }); return calls >= 6000;`,
      limits: { turnMillis: 20_000 },
      told: /as many calls in flight as it may|overloaded|limit/,
      bare: 'gets',
    },
  },
});
