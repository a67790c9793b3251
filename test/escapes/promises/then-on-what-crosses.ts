import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'then on what crosses',
  from: 'JavaScript: whatever has a then is taken for a promise',
  rules: ['R3', 'R4'],
  out: "the then of the guest is called by the trusted side, with functions that lead to Node's process",
  bare: 'vm',
  attempts: {
    'on a field of params': `let got; await world.grants.neighbour.echo({ text: { then(yes) { got = yes; yes('x'); } } }).catch(() => {}); return reaches(got);`,
    'on another field': `let got; await world.grants.log.write({ level: 'info', message: { then(yes) { got = yes; yes('x'); } } }).catch(() => {}); return reaches(got);`,
    'on the result of a callback': `let got;
      await world.grants.neighbour.tell({ text: 'x', listener: { heard() { return { answer: 'x', then(yes) { got = yes; yes({ answer: 'x' }); } }; } } }).catch(() => {});
      return reaches(got);`,
    'for a refusal': `let got;
      await world.grants.neighbour.tell({ text: 'x', listener: { heard: () => ({ then(yes, no) { got = no; no(new Error('x')); } }) } }).catch(() => {});
      return reaches(got);`,
  },
});
