import { denialClass } from '../harness/denial-class.js';

const stopped = /^it ended: (a turn took longer than its limit|its heap limit|its host died)/;

export default denialClass({
  name: 'endless microtasks',
  from: 'JavaScript: a turn ends when its queue is empty',
  rules: ['R6', 'R7'],
  attempts: {
    'of await': { body: `for (;;) await null;`, stopped, bare: 'hangs' },
    'of then': {
      body: `const again = () => { Promise.resolve().then(again); }; again(); await new Promise(() => {});`,
      stopped,
      bare: 'hangs',
    },
    'of a generator': {
      body: `for await (const x of (async function* () { for (;;) yield 1; })()) void x;`,
      stopped,
      bare: 'hangs',
    },
    'of a thenable': { body: `const it = { then(yes) { yes(it); } }; await it;`, stopped, bare: 'hangs' },
  },
});
