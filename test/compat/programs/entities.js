import { decodeHTML, encodeXML } from 'entities';
import { program } from '../program.js';

export default program('decodes and encodes entities', () => {
  return [decodeHTML('&lt;&eacute;&#x41;&notin;'), encodeXML('<é>')];
});
