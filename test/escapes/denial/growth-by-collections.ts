import { denialClass } from '../harness/denial-class.js';

const stopped = /^it ended: (its heap limit of 32 MiB was met|its host died)/;
const limits = { turnMillis: 20_000 };

export default denialClass({
  name: 'a heap that grows by collections',
  from: 'V8: growing a Map beyond the heap aborts the process',
  rules: ['R6', 'R7'],
  attempts: {
    'a map': {
      body: `const all = new Map(); for (let i = 0; ; i++) all.set({}, [i]);`,
      stopped,
      limits,
      bare: 'fills',
    },
    'a set': {
      body: `const all = new Set(); for (let i = 0; ; i++) all.add({ i });`,
      stopped,
      limits,
      bare: 'fills',
    },
    'a weak map that holds itself': {
      body: `const all = new WeakMap(); const keys = []; for (let i = 0; ; i++) { keys.push({}); all.set(keys[i], [keys[i]]); }`,
      stopped,
      limits,
      bare: 'fills',
    },
    'an object': {
      body: `const all = {}; for (let i = 0; ; i++) all['key' + i] = { i };`,
      stopped,
      limits,
      bare: 'fills',
    },
  },
});
