import { Fraction } from 'fraction.js';
import { program } from '../program.js';

export default program('calculates with fractions', () => {
  return [new Fraction('1/3').add('0.(6)').toFraction(), new Fraction(2.71).simplify(0.001).toFraction()];
});
