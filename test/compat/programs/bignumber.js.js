import { BigNumber } from 'bignumber.js';
import { program } from '../program.js';

export default program('calculates without binary fractions, and in other bases', () => {
  return [
    new BigNumber('0.1').times(3).toString(),
    new BigNumber('ff', 16).toString(2),
    new BigNumber(2).pow(100).toFormat(),
  ];
});
