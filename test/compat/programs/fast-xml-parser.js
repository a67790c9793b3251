import { XMLBuilder, XMLParser } from 'fast-xml-parser';
import { program } from '../program.js';

export default program('reads and writes XML', () => {
  const options = { ignoreAttributes: false };
  const value = new XMLParser(options).parse('<a b="1"><c>x</c><c>y &lt; z</c><d/></a>');
  return [value, new XMLBuilder(options).build(value)];
});
