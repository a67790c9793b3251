import { escapeClass } from '../harness/escape-class.js';

const called = (params: string) =>
  `let called = false; await world.grants.neighbour.echo(${params}).catch(() => {}); return called;`;

export default escapeClass({
  name: 'toJSON',
  from: 'JavaScript: JSON.stringify runs what it is given',
  rules: ['R4'],
  out: 'a function of the guest is run by who writes a value down',
  attempts: {
    'of params': called(`{ text: 'x', toJSON() { called = true; } }`),
    'of a field': called(`{ text: Object.assign(Object('x'), { toJSON() { called = true; return 'x'; } }) }`),
    inherited: called(
      `Object.create({ toJSON() { called = true; } }, { text: { value: 'x', enumerable: true } })`,
    ),
    'of all big integers': `BigInt.prototype.toJSON = () => 'mine'; return JSON.stringify(1n) === '"mine"';`,
    'of all objects': `Object.prototype.toJSON = () => 'mine'; return JSON.stringify({}) === '"mine"';`,
  },
});
