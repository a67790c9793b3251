import ejs from 'ejs';
import { program } from '../program.js';

export default program('compiles a template to a function, in strict mode, and runs it', () => {
  const options = { strict: true, localsName: 'it' };
  return ejs.compile('<% for (const a of it.list) { %>[<%= a %>]<% } %>', options)({ list: [1, '<'] });
});
