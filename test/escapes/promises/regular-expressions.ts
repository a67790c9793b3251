import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'state in regular expressions',
  from: 'JavaScript, Annex B: RegExp.prototype.compile and RegExp.$1',
  rules: ['R1'],
  out: 'what others matched can be read, or what they match with is changed',
  attempts: {
    'the last match': `/(\\w+)/.exec('secret'); return RegExp.$1 === 'secret';`,
    'the last input': `/x/.exec('secret x'); return RegExp.input === 'secret x' || RegExp.$_ === 'secret x';`,
    'what was left of it': `/x/.exec('secret x'); return RegExp['$\`'] === 'secret ';`,
    'compiling another pattern': `const it = /^safe$/; it.compile('.*'); return it.test('anything');`,
    'exec of all': `RegExp.prototype.exec = () => ['mine']; return 'x'.match(/x/)[0] === 'mine';`,
    'flags of all': `Object.defineProperty(RegExp.prototype, 'flags', { get: () => 'g' }); return /x/.flags === 'g';`,
    'replace of all': `RegExp.prototype[Symbol.replace] = () => 'mine'; return 'x'.replace(/x/, 'y') === 'mine';`,
  },
});
