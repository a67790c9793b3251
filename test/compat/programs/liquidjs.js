import { Liquid } from 'liquidjs';
import { program } from '../program.js';

export default program('renders a template with filters', () => {
  return new Liquid().parseAndRenderSync('{% for a in b %}{{ a | capitalize | append: "!" }}{% endfor %}', {
    b: ['c', 'd'],
  });
});
