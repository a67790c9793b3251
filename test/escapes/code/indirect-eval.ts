import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'indirect eval',
  from: 'JavaScript: eval by another name sees the global scope',
  rules: ['R1', 'R2'],
  out: "the text sees Node's process, or declares a global name",
  attempts: {
    'by a comma': `return isProcess((0, eval)('process'));`,
    'by a list': `return isProcess([eval][0]('this').process);`,
    'by Reflect': `return isProcess(Reflect.apply(eval, undefined, ['process']));`,
    'by the global object': `return isProcess(globalThis.eval('process'));`,
    'as a callback': `return isProcess(['process'].map(eval)[0]);`,
    'declaring a name': `(0, eval)('var declared = 1'); return globalThis.declared === 1;`,
    'of the realm of what was endowed': {
      bare: 'vm',
      body: `const make = world.object.constructor; return isProcess(make('return eval')()('process'));`,
    },
  },
});
