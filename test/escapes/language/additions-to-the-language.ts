import { builtin, escapeClass, type SourceAttempt } from '../harness/escape-class.js';

/** What `make` gives inherits from something: whether that can be changed for everybody. */
const changes = (path: string, make: string): SourceAttempt => ({
  needs: builtin(path),
  body: `const it = Object.getPrototypeOf(${make}); it.mine = 'mine'; return Object.getPrototypeOf(${make}).mine === 'mine';`,
});

export default escapeClass({
  name: 'things added to the language later than the wall was built',
  from: "Python's rexec: new-style classes",
  rules: ['R1'],
  out: 'something new is there, and can be changed for everybody in the realm, or acts on the world',
  attempts: {
    'iterator helpers': changes('Iterator.prototype.map', `[].values().map((x) => x)`),
    'wrapped iterators': changes('Iterator.from', `Iterator.from({ next() { return { done: true }; } })`),
    'iterators of several': changes('Iterator.concat', `Iterator.concat([1])`),
    'iterators of texts': changes('String.prototype.matchAll', `'x'.matchAll(/x/g)`),
    'halves of floats': changes('Float16Array', `new Float16Array(1)`),
    'stacks of what is disposed of': changes('DisposableStack', `new DisposableStack()`),
    'the constructor of stacks': {
      needs: builtin('AsyncDisposableStack'),
      body: `return isProcess(AsyncDisposableStack.constructor('return process')());`,
    },
    'errors that were suppressed': changes('SuppressedError', `new SuppressedError(1, 2)`),
    'days and times': changes('Temporal.Duration', `new Temporal.Duration()`),
    'segments of text': changes('Intl.Segmenter', `new Intl.Segmenter()`),
    'resolvers of promises': {
      needs: builtin('Promise.withResolvers'),
      body: `const { resolve } = Promise.withResolvers(); return isProcess(resolve.constructor('return process')());`,
    },
    'arrays from what is awaited': {
      needs: builtin('Array.fromAsync'),
      body: `const it = Array.fromAsync([1]); return isProcess(it.constructor.constructor('return process')());`,
    },
    'bytes from text': {
      needs: builtin('Uint8Array.fromBase64'),
      body: `return isProcess(Uint8Array.fromBase64.constructor('return process')());`,
    },
    'escapes of patterns': {
      needs: builtin('RegExp.escape'),
      body: `RegExp.escape = () => 'mine'; return RegExp.escape('x') === 'mine';`,
    },
    'marks of errors': {
      needs: builtin('Error.isError'),
      body: `Error.isError = () => 'mine'; return Error.isError(1) === 'mine';`,
    },
    sums: {
      needs: builtin('Math.sumPrecise'),
      body: `Math.sumPrecise = () => 'mine'; return Math.sumPrecise([1]) === 'mine';`,
    },
    'buffers that are handed over': {
      needs: builtin('ArrayBuffer.prototype.transfer'),
      body: `ArrayBuffer.prototype.transfer = () => 'mine'; return new ArrayBuffer(1).transfer() === 'mine';`,
    },
  },
});
