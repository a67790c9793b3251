import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'shared memory',
  from: 'Spectre: memory that two threads see at once is a clock, and more',
  rules: ['R3'],
  out: 'there is a SharedArrayBuffer',
  attempts: {
    'by its name': `return new SharedArrayBuffer(8).byteLength === 8;`,
    'of a memory of WebAssembly': `return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer.byteLength > 0;`,
    'by text': `return new Function('return SharedArrayBuffer')().name === 'SharedArrayBuffer';`,
    'behind a view of bytes': `return new Uint8Array(new SharedArrayBuffer(1)).buffer.constructor.name === 'SharedArrayBuffer';`,
    'of the realm of what was endowed': {
      bare: 'vm',
      body: `return new (world.object.constructor('return SharedArrayBuffer')())(8).byteLength === 8;`,
    },
  },
});
