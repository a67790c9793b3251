import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'function body injection',
  from: 'JavaScript: text that closes what it is wrapped in',
  rules: ['R2'],
  out: 'text given as a body or a parameter ends the function around it, and is run outside of its scope',
  bare: 'scope',
  attempts: {
    'by the body': `return isProcess(new Function('}) } return process; { (function () {'));`,
    'by a parameter': `return isProcess(new Function('a) { }) } return process; { (function (b', ''));`,
    'by a comment that begins in a parameter': `return isProcess(new Function('/*', '*/) { }) } return process; { (function () {'));`,
    'by a line that ends a comment': `return isProcess(new Function('a', '//\\n}) } return process; { (function () {'));`,
  },
});
