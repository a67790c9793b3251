import { fromByteArray, toByteArray } from 'base64-js';
import { program } from '../program.js';

export default program('encodes and decodes Base64', () => {
  return [fromByteArray(new Uint8Array([0, 255, 3])), [...toByteArray('AP8D')]];
});
