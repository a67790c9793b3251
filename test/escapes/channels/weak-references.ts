import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'weak references as oracles',
  from: 'JavaScript: WeakRef and FinalizationRegistry tell of the collector, which all in the thread share',
  rules: ['R1', 'R5'],
  out: 'the guest can see whether something was collected',
  attempts: {
    WeakRef: `return typeof new WeakRef({}).deref() === 'object';`,
    FinalizationRegistry: `return new FinalizationRegistry(() => {}).register({}, 1) === undefined;`,
    'by text': `return typeof new Function('return WeakRef')() === 'function';`,
    'the heap of the engine': `return process.memoryUsage().heapUsed > 0;`,
    'of the realm of what was endowed': {
      bare: 'vm',
      body: `return typeof world.object.constructor('return WeakRef')() === 'function';`,
    },
  },
});
