import { Parser } from 'expr-eval';
import { program } from '../program.js';

export default program('parses a formula and evaluates it', () => {
  const formula = Parser.parse('2 * x ^ 2 + max(1, y)');
  return [formula.evaluate({ x: 3, y: 4 }), formula.variables(), formula.simplify({ y: 0 }).toString()];
});
