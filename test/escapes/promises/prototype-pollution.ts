import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'prototype pollution by the keys of messages',
  from: 'CVE-2019-10744 and its like: __proto__ as a key',
  rules: ['R1', 'R4'],
  out: 'objects of the trusted side have a property that a message brought',
  bare: 'vm',
  attempts: {
    __proto__: `await world.grants.neighbour.echo(JSON.parse('{ "text": "x", "__proto__": { "polluted": 1 } }')).catch(() => {}); return world.grants.polluted === 1;`,
    'constructor.prototype': `await world.grants.neighbour.echo(JSON.parse('{ "text": "x", "constructor": { "prototype": { "polluted": 1 } } }')).catch(() => {}); return world.polluted === 1;`,
    'within a field': `await world.grants.log.write(JSON.parse('{ "level": "info", "message": "x", "more": { "__proto__": { "polluted": 1 } } }')).catch(() => {}); return world.polluted === 1;`,
    toString: `await world.grants.neighbour.echo(JSON.parse('{ "text": "x", "__proto__": { "toString": "mine" } }')).catch(() => {}); return world.toString === 'mine';`,
    'by assignment': { bare: 'worker', body: `({}).__proto__.polluted = 1; return ({}).polluted === 1;` },
    'by a definition of a getter': {
      bare: 'worker',
      body: `({}).__defineGetter__.call(Object.prototype, 'polluted', () => 1); return ({}).polluted === 1;`,
    },
  },
});
