import { array, assert, is, number, object, string } from 'superstruct';
import { program } from '../program.js';

export default program('validates a value by a struct', () => {
  const schema = object({ a: string(), b: array(number()) });
  try {
    assert({ a: 1, b: [] }, schema);
  } catch (error) {
    return [is({ a: '', b: [1] }, schema), error.message];
  }
});
