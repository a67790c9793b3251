import { parseDocument } from 'htmlparser2';
import { program } from '../program.js';

export default program('parses a page with unclosed elements', () => {
  const names = (node) => [node.name ?? node.data, (node.children ?? []).map(names)];
  return names(parseDocument('<ul><li>one<li>two &amp; three</ul><!-- end -->'));
});
