import * as babel from 'prettier/plugins/babel';
import * as estree from 'prettier/plugins/estree';
import { format } from 'prettier/standalone';
import { program } from '../program.js';

export default program('formats a script', () => {
  return format('const a={b:1,c:[1,2,3]};function d(e){return e?a:null}', {
    parser: 'babel',
    plugins: [babel, estree.default ?? estree],
  });
});
