import { escapeClass } from '../harness/escape-class.js';

const hooked = (call: (hook: string) => string) =>
  `let called = false; const hook = { toString() { called = true; return 'Item'; } };
   try { await ${call('hook')}; } catch {} return called;`;

export default escapeClass({
  name: 'attributes by format strings',
  from: "Python: '{0.__class__}'.format(x); in JavaScript, the hooks of coercion",
  rules: ['R4', 'R5'],
  out: 'the trusted side runs a hook of the guest while it makes a text of an argument',
  attempts: {
    'the name of an interface': hooked((hook) => `world.object(${hook}, 'coerced', {})`),
    'the id of an object': hooked((hook) => `world.object('Item', ${hook}, {})`),
    'both, one of which fails': hooked((hook) => `world.object(${hook}, ${hook}, 1)`),
    'a text of params': hooked((hook) => `world.grants.neighbour.echo({ text: ${hook} })`),
    'an answer': hooked(
      (hook) => `world.grants.neighbour.echo({ text: { toString: () => String(${hook}) } })`,
    ),
  },
});
