import { builtin, escapeClass } from '../harness/escape-class.js';

const binding = builtin('process.binding');

export default escapeClass({
  name: 'native bindings',
  from: 'Node: process.binding and process._linkedBinding',
  rules: ['R8'],
  out: "the inside of one of Node's modules is reached",
  attempts: {
    'by process': { needs: binding, body: `return typeof process.binding('fs') === 'object';` },
    'by the global object': {
      needs: binding,
      body: `return typeof globalThis.process.binding('util') === 'object';`,
    },
    'by text': {
      needs: binding,
      body: `return typeof new Function('return process')().binding('fs') === 'object';`,
    },
    'linked ones': `try { process._linkedBinding('none'); } catch (error) { return /No such binding/.test(error.message); }`,
    'by the constructor of what was endowed': {
      needs: binding,
      bare: 'vm',
      body: `return typeof world.object.constructor('return process')().binding('fs') === 'object';`,
    },
  },
});
