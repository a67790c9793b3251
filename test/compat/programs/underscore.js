import _ from 'underscore';
import { program } from '../program.js';

export default program('sorts, counts, and renders a template', () => {
  return [
    _.countBy([1, 2, 3], (n) => (n % 2 ? 'odd' : 'even')),
    _.template('<%= x + 1 %>')({ x: 1 }),
    _.zip([1, 2], ['a', 'b']),
  ];
});
