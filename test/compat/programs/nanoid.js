import { customAlphabet } from 'nanoid';
import { program } from '../program.js';

export default program('makes identifiers of random bytes', () => {
  return typeof customAlphabet('abc', 10)();
});
