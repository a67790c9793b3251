import * as acorn from 'acorn';
import { program } from '../program.js';

export default program('parses a module and lists the names that it declares', () => {
  const { body } = acorn.parse(
    'const a = 1; export function b(x = a ** 2) { return `x` } class C { #d = 2 }',
    {
      ecmaVersion: 'latest',
      sourceType: 'module',
    },
  );
  return body.map((node) => [node.type, node.start, node.end]);
});
