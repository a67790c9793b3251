import jmespath from 'jmespath';
import { program } from '../program.js';

export default program('queries a value by an expression', () => {
  return jmespath.search(
    {
      a: [
        { b: 1, c: 'x' },
        { b: 2, c: 'y' },
      ],
    },
    'a[?b > `1`].c | [0]',
  );
});
