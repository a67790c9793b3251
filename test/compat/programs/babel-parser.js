import { parse } from '@babel/parser';
import { program } from '../program.js';

export default program('parses TypeScript with JSX', () => {
  const { program } = parse('interface A { b?: string } const c: A = {}; const d = <e f={c} />;', {
    plugins: ['typescript', 'jsx'],
  });
  return program.body.map(({ type, loc }) => [type, loc.start.column, loc.end.column]);
});
