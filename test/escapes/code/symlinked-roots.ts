import { escapeClass } from '../harness/escape-class.js';
import { importing, MADE_BEFORE, moduleAttempt, SECRET } from '../harness/module-attempt.js';

const proof = (it: string) => `${it}.secret === ${JSON.stringify(SECRET)}`;
const linked = `${importing('* as it', './linked.js', proof('it'))}`;

export default escapeClass({
  name: 'module roots by symbolic links',
  from: 'node_modules: a link is followed out of the folder that was looked at',
  rules: ['R2', 'R9'],
  out: 'a file from outside of the package is in the program',
  notIn: { process: MADE_BEFORE, sandbox: MADE_BEFORE },
  attempts: {
    'a link to a file': moduleAttempt({
      taker: 'node',
      files: { 'entry.js': linked },
      links: { 'linked.js': '../secret.js' },
    }),
    'a link to a folder': moduleAttempt({
      taker: 'node',
      files: { 'entry.js': importing('* as it', './linked/secret.js', proof('it')) },
      links: { linked: '..' },
    }),
    'a link in node_modules': moduleAttempt({
      taker: 'node',
      files: {
        'entry.js': importing('* as it', 'linked/secret.js', proof('it')),
        'node_modules/there/index.js': '',
      },
      links: { 'node_modules/linked': '../..' },
    }),
  },
});
