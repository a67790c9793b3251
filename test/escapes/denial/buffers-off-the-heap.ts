import { denialClass } from '../harness/denial-class.js';

const limits = { turnMillis: 20_000, offHeapMiB: 32 };
const stopped = /^it ended: .*(off|memory|heap|host died)/;

export default denialClass({
  name: 'buffers off the heap',
  from: 'V8: what ArrayBuffers hold is counted by no limit of the heap',
  rules: ['R7'],
  attempts: {
    'many of them, written to': {
      body: `const all = []; for (;;) { all.push(new Uint8Array(1 << 20).fill(1)); await world.grants.neighbour.echo({ text: 'x' }).catch(() => {}); }`,
      stopped,
      limits,
      bare: 'fills',
    },
    'many in one turn': {
      body: `const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1));`,
      stopped,
      limits,
      bare: 'fills',
    },
    'many in one turn, though it is refused': {
      body: `const all = []; for (;;) try { all.push(new Uint8Array(1 << 20).fill(1)); } catch {}`,
      stopped: /^it ended: /,
      limits: { ...limits, turnMillis: 3000 },
      bare: 'fills',
    },
  },
});
