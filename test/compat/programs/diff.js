import { applyPatch, createPatch, diffWords } from 'diff';
import { program } from '../program.js';

export default program('compares texts, makes a patch and applies it', () => {
  const patch = createPatch('file', 'a\nb\nc\n', 'a\nB\nc\n');
  return [patch, applyPatch('a\nb\nc\n', patch), diffWords('one two', 'one three').length];
});
