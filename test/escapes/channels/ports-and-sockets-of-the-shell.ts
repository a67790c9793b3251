import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: "the shell's own port and socket",
  from: 'Node: what a thread is spoken to by is an object in it',
  rules: ['R3', 'R8'],
  out: 'an object that carries messages of the trusted side is in the hands of the guest',
  attempts: {
    'the port of the parent': `return typeof process.getBuiltinModule('node:worker_threads').parentPort.postMessage === 'function';`,
    'by a method of all ports': `let got; const { postMessage } = MessagePort.prototype; MessagePort.prototype.postMessage = function () { got = this; }; const { port1 } = new MessageChannel(); port1.postMessage(1); MessagePort.prototype.postMessage = postMessage; return got === port1;`,
    'by the events of all': `let got; EventTarget.prototype.dispatchEvent = function () { got = this; }; const it = new EventTarget(); it.dispatchEvent(new Event('x')); return got === it;`,
    'by the handles of the process': `return Array.isArray(process._getActiveHandles());`,
    'by the emitters of all': `let got; const EventEmitter = process.getBuiltinModule('node:events'); EventEmitter.prototype.emit = function () { got = this; }; new EventEmitter().emit('x'); return got !== undefined;`,
    'by a listener of the process': `return process.on('uncaughtException', () => {}) === process;`,
    'by the callers of a callback': `let got; await world.grants.neighbour.tell({ text: 'x', listener: { heard: function () { got = this; return { answer: 'x' }; } } });
      return Reflect.ownKeys(got).includes('heard') && typeof process === 'object';`,
  },
});
