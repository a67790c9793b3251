import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'array species and iteration',
  from: 'JavaScript: map, filter and spread ask the prototypes',
  rules: ['R1'],
  out: 'arrays that others make are of a class of the guest, or tell it what is in them',
  attempts: {
    'by the constructor of all': `Array.prototype.constructor = { [Symbol.species]: function () { return { mine: 1 }; } }; return [1].map((x) => x).mine === 1;`,
    'by the species itself': `Object.defineProperty(Array, Symbol.species, { value: function () { return { mine: 1 }; } }); return [1].map((x) => x).mine === 1;`,
    'by the iterator': `let got; const { next } = Object.getPrototypeOf([][Symbol.iterator]()); Object.getPrototypeOf([][Symbol.iterator]()).next = function () { got = this; return next.call(this); }; [...[1]]; return got !== undefined;`,
    'by Symbol.iterator': `Array.prototype[Symbol.iterator] = function* () { yield 'mine'; }; return [...[1]][0] === 'mine';`,
    'by concat': `Array.prototype[Symbol.isConcatSpreadable] = false; return [1].concat([2]).length === 2 && Array.isArray([1].concat([2])[1]);`,
    'by push': `Array.prototype.push = () => 'mine'; return [].push(1) === 'mine';`,
  },
});
