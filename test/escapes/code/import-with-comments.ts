import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'import with comments inside',
  from: 'JavaScript: what a look for "import(" does not see',
  rules: ['R2'],
  out: 'a module of Node is loaded',
  attempts: {
    'a block': `return (await (0, eval)("import/* it */('node:process')")).pid > 0;`,
    'a line': `return (await (0, eval)("import// it\\n('node:process')")).pid > 0;`,
    'several lines': `return (await (0, eval)("import\\n/*\\n*/\\n('node:process')")).pid > 0;`,
    'a line that a separator ends': `return (await (0, eval)("import//\\u2028('node:process')")).pid > 0;`,
    'white space of other scripts': `return (await (0, eval)("import\\u3000\\ufeff('node:process')")).pid > 0;`,
    'in a function made of text': `return (await new Function("return import/**//**/('node:process')")()).pid > 0;`,
  },
});
