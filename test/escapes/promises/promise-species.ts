import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'promise species',
  from: 'CVE-2023-37466',
  rules: ['R1', 'R5'],
  out: 'a class of the guest is made in the place of a promise of the trusted side',
  bare: 'vm',
  attempts: {
    'on a promise of a call': `let made = false; const it = world.grants.neighbour.echo({ text: 'x' });
      it.constructor = { [Symbol.species]: function (executor) { made = true; executor(() => {}, () => {}); } };
      it.then(() => {}); return made;`,
    'by a definition': `let made = false; const it = world.own({});
      Object.defineProperty(it, 'constructor', { value: { [Symbol.species]: function (executor) { made = true; executor(() => {}, () => {}); } } });
      Promise.prototype.then.call(it, () => {}); return made;`,
    'by finally': `let made = false; const it = world.grants.neighbour.echo({ text: 'x' });
      it.constructor = { [Symbol.species]: class { constructor(executor) { made = true; executor(() => {}, () => {}); } then() {} } };
      it.finally(() => {}); return made;`,
    'on the constructor of all': {
      bare: 'worker',
      body: `Object.defineProperty(Promise, Symbol.species, { value: function (executor) { executor(() => {}, () => {}); return { mine: 1 }; } });
        return Promise.resolve(1).then(() => {}).mine === 1;`,
    },
    'on the prototype of all': {
      bare: 'worker',
      body: `Promise.prototype.constructor = { [Symbol.species]: function (executor) { executor(() => {}, () => {}); return { mine: 1 }; } };
        return (async () => {})().then(() => {}).mine === 1;`,
    },
  },
});
