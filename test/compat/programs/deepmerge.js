import merge from 'deepmerge';
import { program } from '../program.js';

export default program('merges deep values', () => {
  return merge({ a: { b: [1] }, c: 1 }, { a: { b: [2], d: 3 } });
});
