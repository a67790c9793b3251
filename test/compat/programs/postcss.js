import postcss from 'postcss';
import { program } from '../program.js';

export default program('parses a style sheet, changes it and writes it', () => {
  const root = postcss.parse('a { color: red; margin: 0 } @media print { a { color: black } }');
  root.walkDecls('color', (declaration) => {
    declaration.value = declaration.value.toUpperCase();
  });
  return root.toString();
});
