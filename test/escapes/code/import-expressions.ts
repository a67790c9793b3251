import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'import expressions',
  from: 'JavaScript: import() loads a module wherever it stands',
  rules: ['R2'],
  out: 'a module of Node is loaded',
  attempts: {
    plainly: `return (await import('node:process')).pid > 0;`,
    'in text that is evaluated': `return (await (0, eval)("import('node:process')")).pid > 0;`,
    'in a function made of text': `return (await new Function("return import('node:process')")()).pid > 0;`,
    'in a template': `return (await (0, eval)('(() => { let it; \`$' + '{it = import("node:process")}\`; return it; })()')).pid > 0;`,
    'in a default of a parameter': `return (await (0, eval)('((it = import("node:process")) => it)()')).pid > 0;`,
    'in a class that is being made': `return (await (0, eval)('(class { static it = import("node:process"); }).it')).pid > 0;`,
    'with options': `return (await (0, eval)("import('node:process', {})")).pid > 0;`,
    'from a generator': `return (await (0, eval)('(function* () { yield import("node:process"); })().next().value')).pid > 0;`,
  },
});
