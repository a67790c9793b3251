import { marked } from 'marked';
import { program } from '../program.js';

export default program('renders Markdown with a table', () => {
  return marked.parse('# a\n\n- *b*\n- `c`\n\n| d | e |\n|---|---|\n| 1 | 2 |\n');
});
