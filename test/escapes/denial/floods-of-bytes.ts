import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'floods of bytes',
  from: 'Cap’n Proto: what is answered may be larger than what is asked',
  rules: ['R3', 'R7'],
  attempts: {
    'a message of 80 MiB': {
      body: `const data = new Uint8Array(80 << 20); return (await world.grants.neighbour.echo({ text: 'x', data })).data.length === data.length;`,
      limits: { turnMillis: 20_000, heapMiB: 256, offHeapMiB: 512 },
      told: /is larger|too large|bytes|limit/,
      bare: 'gets',
    },
    'a text of 80 million characters': {
      body: `const text = 'x'.repeat(80e6); return (await world.grants.neighbour.echo({ text })).text.length === text.length;`,
      limits: { turnMillis: 20_000, heapMiB: 512, offHeapMiB: 1024 },
      told: /is larger|too large|bytes|limit/,
      bare: 'gets',
    },
  },
});
