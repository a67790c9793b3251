import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'function constructors',
  from: 'JavaScript: Function.prototype.constructor',
  rules: ['R1', 'R2'],
  out: "a function made of text sees Node's process",
  attempts: {
    'of an array': `return isProcess([].constructor.constructor('return process')());`,
    'of a text': `return isProcess(''.constructor.constructor('return process')());`,
    'of a number': `return isProcess((1).constructor.constructor('return process')());`,
    'of a regular expression': `return isProcess(/x/.constructor.constructor('return process')());`,
    'of an arrow function': `return isProcess((() => {}).constructor('return process')());`,
    'of a bound function': `return isProcess((function () {}).bind(null).constructor('return process')());`,
    'of a class': `return isProcess((class { static x() {} }).x.constructor('return process')());`,
    'of a getter': `return isProcess(Object.getOwnPropertyDescriptor({ get x() { return 1; } }, 'x').get.constructor('return process')());`,
    'of a native function': `return isProcess(Reflect.get(Math.max, 'constructor')('return process')());`,
    'by its name': `return isProcess(Function('return process')());`,
    'as a superclass': `return isProcess(new (class extends (() => {}).constructor {})('return process')());`,
    'by Reflect.construct': `return isProcess(Reflect.construct((() => {}).constructor, ['return process'], Object)());`,
  },
});
