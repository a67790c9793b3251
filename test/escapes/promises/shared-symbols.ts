import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'symbols that all realms share',
  from: 'JavaScript: Symbol.for and the well-known symbols',
  rules: ['R1', 'R5'],
  out: 'something of the trusted side carries a property that the guest has put there by a symbol',
  bare: 'vm',
  attempts: {
    'on the world': `world[Symbol.for('nodejs.util.inspect.custom')] = 1; return world[Symbol.for('nodejs.util.inspect.custom')] === 1;`,
    'on a stub': `world.grants.log[Symbol.for('x')] = 1; return world.grants.log[Symbol.for('x')] === 1;`,
    'on a method of a stub': `world.grants.log.write[Symbol.for('nodejs.util.promisify.custom')] = 1; return world.grants.log.write[Symbol.for('nodejs.util.promisify.custom')] === 1;`,
    'on the prototype of stubs': `const it = Object.getPrototypeOf(world.grants.log); it[Symbol.toStringTag] = 'mine'; return String(world.grants.neighbour) === '[object mine]';`,
    'on a promise of a call': `const it = world.grants.neighbour.echo({ text: 'x' }); it[Symbol.for('x')] = 1; return it[Symbol.for('x')] === 1;`,
    'on all objects': {
      bare: 'worker',
      body: `Object.prototype[Symbol.toStringTag] = 'mine'; return String({}) === '[object mine]';`,
    },
  },
});
