import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'globals of Node and of the web',
  from: 'Node: what is not JavaScript in the global object',
  rules: ['R5', 'R8'],
  out: 'one of them is there and works',
  attempts: {
    process: `return isProcess(process);`,
    Buffer: `return Buffer.from('x').length === 1;`,
    timers: `return await new Promise((resolve) => setTimeout(resolve, 1, true));`,
    immediates: `return await new Promise((resolve) => setImmediate(resolve, true));`,
    microtasks: `return await new Promise((resolve) => queueMicrotask(() => resolve(true)));`,
    fetch: `return (await fetch('data:text/plain,x')).ok;`,
    clones: `return structuredClone({ x: 1 }).x === 1;`,
    channels: `return new MessageChannel().port1.constructor.name === 'MessagePort';`,
    broadcasts: `const it = new BroadcastChannel('x'); it.close(); return it.name === 'x';`,
    events: `let got; const it = new EventTarget(); it.addEventListener('x', () => { got = true; }); it.dispatchEvent(new Event('x')); return got;`,
    cryptography: `return crypto.getRandomValues(new Uint8Array(1)).length === 1;`,
    'the console of the process': `return typeof console._stdout === 'object' || typeof console.Console === 'function';`,
    URLs: `return new URL('x:y').protocol === 'x:';`,
  },
});
