import { sha256 } from 'js-sha256';
import { program } from '../program.js';

export default program('hashes a text, with a key too', () => {
  return [sha256('abc'), sha256.hmac('key', 'abc')];
});
