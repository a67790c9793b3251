import { generate, lexer, parse } from 'css-tree';
import { program } from '../program.js';

export default program('parses a style sheet and checks a value by its grammar', () => {
  const tree = parse('.a > b:hover { width: calc(100% - 3px) }');
  return [generate(tree), lexer.matchProperty('color', 'rebeccapurple').error === null];
});
