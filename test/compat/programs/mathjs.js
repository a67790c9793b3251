import { all, create } from 'mathjs';
import { program } from '../program.js';

export default program('evaluates formulas, with matrices, units and exact numbers', () => {
  const math = create(all);
  return [
    math.format(math.evaluate('det([[2, 1], [7, 4]]) + sqrt(16)')),
    math.format(math.evaluate('3 inch to cm')),
    math.format(math.derivative('x^3 + 2x', 'x')),
    math.format(math.bignumber('0.1').plus('0.2')),
  ];
});
