import { escapeClass, syntax } from '../harness/escape-class.js';

const source = syntax('import.source', '() => import.source("x")');
const defer = syntax('import.defer', '() => import.defer("x")');

export default escapeClass({
  name: 'import in other phases',
  from: 'JavaScript: import.source and import.defer',
  rules: ['R2'],
  out: 'text that loads a module is taken for a program',
  attempts: {
    'its source': {
      needs: source,
      body: `return typeof (0, eval)('() => import.source("node:process")') === 'function';`,
    },
    'its source, with a comment': {
      needs: source,
      body: `return typeof (0, eval)('() => import/**/.source("node:process")') === 'function';`,
    },
    'its source, in a function made of text': {
      needs: source,
      body: `return typeof new Function('return import . source("node:process")') === 'function';`,
    },
    deferred: {
      needs: defer,
      body: `return typeof (0, eval)('() => import.defer("node:process")') === 'function';`,
    },
    'deferred, with white space': {
      needs: defer,
      body: `return typeof new Function('return import\\n.defer("node:process")') === 'function';`,
    },
  },
});
