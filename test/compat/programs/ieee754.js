import * as ieee754 from 'ieee754';
import { program } from '../program.js';

export default program('writes and reads numbers of eight bytes', () => {
  const bytes = new Uint8Array(8);
  ieee754.write(bytes, Math.PI, 0, true, 52, 8);
  return [[...bytes], ieee754.read(bytes, 0, true, 52, 8)];
});
