import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'HTML-like comments',
  from: 'ECMA-262, Annex B.1.1: text that two parsers read differently',
  rules: ['R2'],
  out: 'a comment that only some parsers know hides code from the others',
  attempts: {
    'one that begins': `return (0, eval)('1 <!-- 2') === 1;`,
    'one that ends': `return (0, eval)('1\\n--> ) throw 2') === 1;`,
    'one that ends after a block': `return (0, eval)('/*\\n*/ --> ) throw 2\\n1') === 1;`,
    'in a function made of text': `return new Function('return 1 <!-- ) throw 2')() === 1;`,
    'between a function and its call': `return (0, eval)('(() => 1)\\n--> x\\n()') === 1;`,
  },
});
