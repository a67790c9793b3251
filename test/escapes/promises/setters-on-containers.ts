import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'setters planted on what all containers inherit from',
  from: 'vm2: what the trusted side puts into its own arrays and maps is handed to a setter',
  rules: ['R1'],
  out: 'a value that others put away is seen by the guest',
  attempts: {
    'an index of arrays': `let got; Object.defineProperty(Array.prototype, '0', { set(value) { got = value; }, configurable: true }); const list = []; list[0] = 'seen'; return got === 'seen';`,
    'a name of objects': `let got; Object.defineProperty(Object.prototype, 'planted', { set(value) { got = value; }, configurable: true }); ({}).planted = 'seen'; return got === 'seen';`,
    maps: `let got; const { set } = Map.prototype; Map.prototype.set = function (key, value) { got = value; return set.call(this, key, value); }; new Map([['x', 'seen']]); return got === 'seen';`,
    'weak maps': `let got; WeakMap.prototype.get = function (key) { got = this; }; new WeakMap().get({}); return got instanceof WeakMap;`,
    sets: `let got; Set.prototype.add = function (value) { got = value; return this; }; new Set(['seen']); return got === 'seen';`,
    calls: `let got; Function.prototype.call = function () { got = this; }; Math.max.call(1); return got === Math.max;`,
    descriptors: `Object.prototype.get = () => 'mine'; return Object.defineProperty({}, 'x', {}).x === 'mine';`,
    'then of all objects': `let got; Object.defineProperty(Object.prototype, 'then', { get() { got = this; return undefined; }, configurable: true }); await { seen: 1 }; return got.seen === 1;`,
  },
});
