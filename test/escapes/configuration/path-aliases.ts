import { escapeClass } from '../harness/escape-class.js';

const through = (path: string) =>
  `const path = ${JSON.stringify(path)}; const { text } = await world.grants.reports.echo({ text: path }); return text === path;`;

export default escapeClass({
  name: 'other spellings of a path',
  from: 'Directories: dots, doubled separators and /proc/self/root lead out of a folder that was named',
  rules: ['R9'],
  out: 'a call whose path has to lie within /reports goes through with one that does not',
  attempts: {
    'by dots': through('/reports/../etc/passwd'),
    'by dots at the end': through('/reports/..'),
    'by dots behind dots': through('/reports/./../etc'),
    'by doubled separators': through('/reports//..//etc'),
    'by a longer name': through('/reports-of-others/x'),
    'by dots, twice over': through('/reports/a/../../etc'),
  },
});
