import Handlebars from 'handlebars';
import { program } from '../program.js';

export default program('compiles a template with a helper and a partial', () => {
  Handlebars.registerHelper('loud', (text) => text.toUpperCase());
  Handlebars.registerPartial('item', '<li>{{loud name}}</li>');
  return Handlebars.compile('<ul>{{#each items}}{{> item}}{{/each}}</ul>')({
    items: [{ name: 'a' }, { name: '<b>' }],
  });
});
