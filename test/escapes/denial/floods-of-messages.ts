import { denialClass } from '../harness/denial-class.js';

const told = /as many calls in flight as it may|overloaded|over the limit|too many|is the limit/;

export default denialClass({
  name: 'floods of messages',
  from: 'Capabilities: whoever holds one may call it',
  rules: ['R7'],
  attempts: {
    'to another domain': {
      body: `await Promise.all(Array.from({ length: 20000 }, () => world.grants.neighbour.echo({ text: 'x' }))); return true;`,
      limits: { turnMillis: 20_000, heapMiB: 256 },
      told,
      bare: 'gets',
    },
    'with callbacks': {
      body: `await Promise.all(Array.from({ length: 20000 }, () => world.grants.neighbour.tell({ text: 'x', listener: { heard: async () => ({ answer: 'x' }) } }))); return true;`,
      limits: { turnMillis: 20_000, heapMiB: 256 },
      told,
      bare: 'gets',
    },
  },
});
