import { escapeClass } from '../harness/escape-class.js';

const heard = (handler: string) =>
  `let got; await world.grants.neighbour.tell({ text: 'x', listener: { heard: new Proxy(function () { return { answer: 'x' }; }, ${handler}) } }).catch(() => {});
   return isProcess(got.constructor.constructor('return process')());`;

export default escapeClass({
  name: 'what the handler of a proxy is shown',
  from: 'vm2: the arguments of traps are made in the realm of the caller',
  rules: ['R1', 'R4'],
  out: "the list of arguments that a trap gets leads to Node's process",
  bare: 'vm',
  attempts: {
    'by apply': heard(`{ apply(target, self, given) { got = given; return { answer: 'x' }; } }`),
    'by the params themselves': heard(
      `{ apply(target, self, given) { got = given[0]; return { answer: 'x' }; } }`,
    ),
    'by an object that is listened to': `let got;
      const listener = new Proxy({ heard: () => ({ answer: 'x' }) }, { get(target, key, receiver) { return key === 'heard' ? new Proxy(target.heard, { apply(f, self, given) { got = given; return { answer: 'x' }; } }) : undefined; } });
      await world.grants.neighbour.tell({ text: 'x', listener }).catch(() => {});
      return isProcess(got.constructor.constructor('return process')());`,
  },
});
