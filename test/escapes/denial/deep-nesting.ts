import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'deep nesting in params',
  from: 'Who walks what is nested needs a stack as deep',
  rules: ['R4', 'R7'],
  attempts: {
    'of objects': {
      body: `let deep = { text: 'x' }; for (let i = 0; i < 50000; i++) deep = { text: 'x', more: deep };
        try { await world.grants.neighbour.echo(deep); return false; } catch (error) { if (error instanceof RangeError) return true; throw error; }`,
      limits: { turnMillis: 20_000, heapMiB: 128 },
      told: /unknown|no field|more/,
      bare: 'gets',
    },
    'of arrays': {
      body: `let deep = ['x']; for (let i = 0; i < 50000; i++) deep = [deep];
        try { await world.grants.neighbour.echo({ text: 'x', data: deep }); return false; } catch (error) { if (error instanceof RangeError) return true; throw error; }`,
      limits: { turnMillis: 20_000, heapMiB: 128 },
      told: /data/,
      bare: 'gets',
    },
  },
});
