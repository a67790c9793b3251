import { denialClass } from '../harness/denial-class.js';

const told = /^held/;

export default denialClass({
  name: 'rejections that nobody handles',
  from: 'Node: a thread ends by one',
  rules: ['R4', 'R6'],
  attempts: {
    'of an error': { body: `Promise.reject(new Error('x')); return false;`, told, bare: 'dies' },
    'of a value that cannot be looked at': {
      body: `Promise.reject({ get message() { throw 1; }, get stack() { throw 2; }, toString() { throw 3; } }); return false;`,
      told,
      bare: 'dies',
    },
    'of a proxy': {
      body: `Promise.reject(new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } })); return false;`,
      told,
      bare: 'dies',
    },
    'of very many': {
      body: `for (let i = 0; i < 2000; i++) Promise.reject(new Error('x')); return false;`,
      // Telling the log of each of them is one turn.
      limits: { turnMillis: 20_000 },
      told,
      bare: 'dies',
    },
    'of a call that nobody awaits': {
      body: `world.grants.log.write(null); world.grants.neighbour.tell(1); return false;`,
      told,
      bare: 'dies',
    },
  },
});
