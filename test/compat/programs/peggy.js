import peggy from 'peggy';
import { program } from '../program.js';

export default program('makes a parser of a grammar, as a program, and runs it', () => {
  const parser = peggy.generate(`
    sum = left:product "+" right:sum { return left + right } / product
    product = left:number "*" right:product { return left * right } / number
    number = digits:[0-9]+ { return parseInt(digits.join(''), 10) }`);
  return [parser.parse('2*3+4'), parser.parse('1+2*3*4')];
});
