import { Eta } from 'eta/core';
import { program } from '../program.js';

export default program('compiles a template and renders it', () => {
  return new Eta().renderString('<% it.list.forEach((a) => { %>(<%= a %>)<% }) %>', { list: ['x', '<y>'] });
});
