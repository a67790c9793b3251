import { escapeClass } from '../harness/escape-class.js';

const EMPTY = 'new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])';

export default escapeClass({
  name: 'WebAssembly',
  from: 'JavaScript beside JavaScript: code that no parser of ours reads',
  rules: ['R1', 'R2', 'R7'],
  out: 'machine code of its own, or memory that no limit of the heap counts',
  attempts: {
    'a module': `return new WebAssembly.Module(${EMPTY}) instanceof WebAssembly.Module;`,
    'a module, compiled aside': `return (await WebAssembly.compile(${EMPTY})) instanceof WebAssembly.Module;`,
    memory: `return new WebAssembly.Memory({ initial: 1 }).buffer.byteLength === 65536;`,
    'by the global object of a function made of text': `return typeof new Function('return WebAssembly')().compile === 'function';`,
    'of the realm of what was endowed': {
      bare: 'vm',
      body: `return typeof world.object.constructor('return WebAssembly')().compile === 'function';`,
    },
  },
});
