import * as R from 'ramda';
import { program } from '../program.js';

export default program('composes functions and changes deep values', () => {
  return [
    R.pipe(R.filter(R.gt(R.__, 1)), R.map(R.multiply(2)), R.sum)([1, 2, 3]),
    R.over(R.lensPath(['a', 'b']), R.inc, { a: { b: 1 } }),
  ];
});
