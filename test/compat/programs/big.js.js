import Big from 'big.js';
import { program } from '../program.js';

export default program('calculates without binary fractions', () => {
  return [
    new Big('0.1').plus('0.2').toString(),
    new Big(1).div(3).toFixed(10),
    new Big('1e100').times(7).toString(),
  ];
});
