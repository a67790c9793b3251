import { escapeClass } from '../harness/escape-class.js';
import { importing, MADE_BEFORE, moduleAttempt, SECRET } from '../harness/module-attempt.js';

const proof = `it.secret === ${JSON.stringify(SECRET)}`;

export default escapeClass({
  name: 'files outside of the package',
  from: 'Bundlers: a module says what is read with the rights of who bundles it',
  rules: ['R2', 'R9'],
  out: 'a file from outside of the package is in the program',
  notIn: { process: MADE_BEFORE, sandbox: MADE_BEFORE },
  attempts: {
    'by dots': moduleAttempt({
      taker: 'node',
      files: { 'entry.js': importing('* as it', '../secret.js', proof) },
    }),
    'by an absolute path': moduleAttempt({
      taker: 'node',
      files: { 'entry.js': importing('* as it', 'OUTSIDE/secret.js', proof) },
    }),
    'by a URL': moduleAttempt({
      taker: 'node',
      files: { 'entry.js': importing('* as it', 'file://OUTSIDE/secret.js', proof) },
    }),
    'by the paths of a tsconfig.json': moduleAttempt({
      taker: 'esbuild',
      files: {
        'entry.js': importing('* as it', 'elsewhere', proof),
        'tsconfig.json': '{ "compilerOptions": { "paths": { "elsewhere": ["OUTSIDE/secret.js"] } } }',
      },
    }),
    'by the browser field of a package.json': moduleAttempt({
      taker: 'esbuild',
      files: {
        'package.json': '{ "type": "module", "imports": { "#it": { "default": "./linked/secret.js" } } }',
        'entry.js': importing('* as it', '#it', proof),
      },
      links: { linked: '..' },
    }),
  },
});
