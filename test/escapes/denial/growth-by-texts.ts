import { denialClass } from '../harness/denial-class.js';

const stopped = /^it ended: (its heap limit of 32 MiB was met|its host died)/;
const limits = { turnMillis: 20_000 };

export default denialClass({
  name: 'a heap that grows by texts',
  from: 'V8: the heap',
  rules: ['R6', 'R7'],
  attempts: {
    'that are split': {
      body: `const all = []; for (let i = 0; ; i++) all.push(('x' + i).repeat(1000).split('').join(i));`,
      stopped,
      limits,
      bare: 'fills',
    },
    'that are flattened': {
      body: `const all = []; for (let i = 0; ; i++) { const it = 'x'.repeat(100000) + i; it.charCodeAt(0); all.push(it.toUpperCase()); }`,
      stopped,
      limits,
      bare: 'fills',
    },
    'of a regular expression': {
      body: `const all = []; for (let i = 0; ; i++) all.push(('a' + i).repeat(1000).match(/../g));`,
      stopped,
      limits,
      bare: 'fills',
    },
  },
});
