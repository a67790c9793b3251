import { applyEdits, modify, parse } from 'jsonc-parser';
import { program } from '../program.js';

export default program('reads JSON with comments and changes one value of it', () => {
  const text = '{ /* a */ "b": [1, 2], // c\n "d": true }';
  return [parse(text), applyEdits(text, modify(text, ['b', 1], 3, {}))];
});
