import { escapeClass } from '../harness/escape-class.js';

const called = (value: string) =>
  `let called = false; await world.grants.log.write({ level: 'info', message: ${value} }).catch(() => {}); return called;`;

export default escapeClass({
  name: 'valueOf and toString',
  from: 'JavaScript: coercion runs what it is given',
  rules: ['R4'],
  out: 'a function of the guest is run by who wants a text',
  attempts: {
    toString: called(`{ toString() { called = true; return 'x'; } }`),
    valueOf: called(`{ toString: undefined, valueOf() { called = true; return 'x'; } }`),
    'Symbol.toPrimitive': called(`{ [Symbol.toPrimitive]() { called = true; return 'x'; } }`),
    'of an array': called(`[{ toString() { called = true; return 'x'; } }]`),
    'of a function': called(`Object.assign(() => {}, { toString() { called = true; return 'x'; } })`),
    'of a boxed text': called(`Object.assign(Object('x'), { toString() { called = true; return 'x'; } })`),
  },
});
