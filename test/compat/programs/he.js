import he from 'he';
import { program } from '../program.js';

export default program('decodes and encodes entities', () => {
  return [he.decode('&copy;&nbsp;&#128169;'), he.encode('a & é', { useNamedReferences: true })];
});
