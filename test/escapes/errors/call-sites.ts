import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'capturing the stack',
  from: 'V8: Error.captureStackTrace and Error.stackTraceLimit',
  rules: ['R1'],
  out: 'the guest reads who called it, or decides what others see of a stack',
  attempts: {
    'into an object': `const it = {}; Error.captureStackTrace(it); return /at .*:\\d+/.test(it.stack);`,
    'below a function': `const it = {}; const f = () => Error.captureStackTrace(it, f); f(); return /at .*:\\d+/.test(it.stack);`,
    'by the limit': `Error.stackTraceLimit = 1; return new Error('x').stack.split('\\n').length === 2;`,
    'by a thrown error': `try { null.x; } catch (error) { return /at .*:\\d+/.test(error.stack); }`,
    'by an error that was made': `return /at .*:\\d+/.test(new Error('x').stack);`,
    'by a rejection': `return await Promise.reject(new TypeError('x')).catch((error) => /at .*:\\d+/.test(error.stack));`,
    'inside of a generator': `return /at .*:\\d+/.test((function* () { yield new Error('x').stack; })().next().value);`,
  },
});
