import { parse, parseDocument, stringify } from 'yaml';
import { program } from '../program.js';

export default program('reads YAML with anchors, keeps its comments, and writes it', () => {
  const text = 'a: &x [1, 2] # note\nb: *x\nc:\n  - d: |\n      two\n      lines\n';
  return [parse(text), stringify(parse(text)), String(parseDocument(text))];
});
