import esprima from 'esprima';
import { program } from '../program.js';

export default program('parses and tokenizes a script', () => {
  return [esprima.parseScript('var answer = 6 * 7;'), esprima.tokenize('if (a) b = /c/g')];
});
