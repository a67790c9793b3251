import showdown from 'showdown';
import { program } from '../program.js';

export default program('renders Markdown with lists and headings', () => {
  return new showdown.Converter({ tables: true }).makeHtml('a\n===\n\n* b\n* c\n');
});
