import { mapLimit } from 'async';
import { program } from '../program.js';

export default program('maps with two tasks at a time', () => {
  return mapLimit([1, 2, 3], 2, async (n) => n * 10);
});
