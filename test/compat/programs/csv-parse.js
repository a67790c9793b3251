import { parse } from 'csv-parse/browser/esm/sync';
import { program } from '../program.js';

export default program('reads CSV with quotes and comments', () => {
  return parse('# comment\na;b\n"x, \'y\'";2\n', { delimiter: ';', comment: '#', columns: true });
});
