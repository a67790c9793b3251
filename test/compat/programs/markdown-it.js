import MarkdownIt from 'markdown-it';
import { program } from '../program.js';

export default program('renders Markdown with links and typography', () => {
  return new MarkdownIt({ linkify: true, typographer: true }).render(
    '## a\n\n"b" -- https://example.com\n\n> c\n',
  );
});
