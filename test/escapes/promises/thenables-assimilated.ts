import { escapeClass } from '../harness/escape-class.js';

const told = (listener: string) =>
  `let got; await world.grants.neighbour.tell({ text: 'x', listener: ${listener} }).catch(() => {});
   return isProcess(got.constructor.constructor('return process')());`;

export default escapeClass({
  name: 'promises of the guest, awaited',
  from: 'Pools and servers await what a task returns',
  rules: ['R3', 'R4'],
  out: "the functions that the guest's own then is called with lead to Node's process",
  bare: 'vm',
  attempts: {
    'a subclass of promises': told(
      `{ heard: () => new (class extends Promise { then(yes, no) { got = yes; return super.then(yes, no); } })((yes) => yes({ answer: 'x' })) }`,
    ),
    'a promise with a then of its own': told(
      `{ heard: () => Object.assign(Promise.resolve({ answer: 'x' }), { then(yes) { got = yes; yes({ answer: 'x' }); } }) }`,
    ),
    'a promise with another prototype': told(
      `{ heard: () => Object.setPrototypeOf(Promise.resolve({ answer: 'x' }), { then(yes) { got = yes; yes({ answer: 'x' }); } }) }`,
    ),
    'a getter for then': told(
      `{ heard: () => ({ get then() { return (yes) => { got = yes; yes({ answer: 'x' }); }; } }) }`,
    ),
    'a proxy': told(
      `{ heard: () => new Proxy({}, { get: (_, key) => key === 'then' ? (yes) => { got = yes; yes({ answer: 'x' }); } : undefined }) }`,
    ),
  },
});
