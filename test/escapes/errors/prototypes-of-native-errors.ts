import { escapeClass } from '../harness/escape-class.js';

const changes = (work: string) =>
  `try { ${work}; } catch (error) { Object.getPrototypeOf(error).mine = 'mine'; try { ${work}; } catch (again) { return again.mine === 'mine'; } }`;

export default escapeClass({
  name: 'prototypes of errors that native code throws',
  from: 'JavaScript: errors come by syntax, and bring their prototypes',
  rules: ['R1'],
  out: 'such a prototype can be changed for everybody in the realm',
  attempts: {
    'of a type error': changes(`null.x`),
    'of a reference error': changes(`nobody`),
    'of a range error': changes(`new Array(-1)`),
    'of a syntax error': changes(`JSON.parse('{')`),
    'of a URI error': changes(`decodeURI('%')`),
    'of an internal recursion': changes(`(function dive() { dive(); })()`),
    'of a bigint': changes(`1n / 0n`),
    'of a regular expression': changes(`new RegExp('(')`),
    'of a proxy': changes(`Object.getPrototypeOf(new Proxy({}, { getPrototypeOf: () => 1 }))`),
    'of an iterator': changes(`[...1]`),
  },
});
