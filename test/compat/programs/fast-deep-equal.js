import equal from 'fast-deep-equal';
import { program } from '../program.js';

export default program('compares deep values', () => {
  return [equal({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }), equal([1], [2]), equal(/a/g, /a/g)];
});
