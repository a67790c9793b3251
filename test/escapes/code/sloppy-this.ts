import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'sloppy this',
  from: 'JavaScript: the this of a function that was called without one',
  rules: ['R1'],
  out: "it is the realm's global object, with Node's process",
  attempts: {
    'of a function': `return isProcess((function () { return this; })().process);`,
    'of a function made of text': `return isProcess(new Function('return this')().process);`,
    'of a function called with null': `return isProcess(Reflect.apply(function () { return this; }, null, []).process);`,
    'of a callback': `let it; [1].forEach(function () { it = this; }); return isProcess(it.process);`,
    'of a tagged template': `return isProcess((function () { return this; })\`\`.process);`,
    'of a coerced object': `let it; String.prototype.replace.call('x', 'x', function () { it = this; }); return isProcess(it.process);`,
    'of text whose words were shadowed': { bare: 'scope', body: `return isProcess(this.process);` },
  },
});
