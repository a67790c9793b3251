import { escapeClass } from '../harness/escape-class.js';

const reading = (prepare: string) =>
  `const it = new Error('x'); ${prepare} try { void it.stack; } catch (error) { return reaches(error); }`;

export default escapeClass({
  name: 'names of errors that are symbols',
  from: 'Node formats the stack in its own realm, and fails in it',
  rules: ['R1'],
  out: "the failure is an error of the realm outside, and code made by it sees Node's process",
  bare: 'vm',
  attempts: {
    'a name': reading(`it.name = Symbol();`),
    'a message': reading(`it.message = Symbol();`),
    'a name that throws when it is read': reading(`it.name = { toString: Symbol };`),
    'a name, in an asynchronous function': `const it = new Error('x'); it.name = Symbol();
      try { await (async () => it.stack)(); } catch (error) { return reaches(error); }`,
  },
});
