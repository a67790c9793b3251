import * as pako from 'pako';
import { program } from '../program.js';

export default program('deflates, as gzip too, and inflates', () => {
  const text = 'the same words again and again '.repeat(50);
  const packed = pako.deflate(text);
  return [
    packed.length,
    pako.inflate(packed, { to: 'string' }) === text,
    pako.ungzip(pako.gzip(text), { to: 'string' }) === text,
  ];
});
