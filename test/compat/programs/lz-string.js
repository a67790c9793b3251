import LZString from 'lz-string';
import { program } from '../program.js';

export default program('compresses a text and gets it back', () => {
  const packed = LZString.compressToBase64('hello hello hello hello');
  return [packed, LZString.decompressFromBase64(packed)];
});
