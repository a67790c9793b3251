import JSON5 from 'json5';
import { program } from '../program.js';

export default program('reads and writes JSON5', () => {
  const value = JSON5.parse("{ a: +1, 'b': [.5, 0x10,], /* c */ d: Infinity }");
  return [JSON5.stringify(value), value.b];
});
