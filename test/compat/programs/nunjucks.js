import nunjucks from 'nunjucks/browser/nunjucks.js';
import { program } from '../program.js';

export default program('renders a template with a loop, a filter and a macro', () => {
  const environment = new nunjucks.Environment(null, { autoescape: true });
  return environment.renderString(
    '{% macro m(x) %}<{{ x }}>{% endmacro %}{% for a in b %}{{ m(a | upper) }}{% endfor %}',
    { b: ['c', '&'] },
  );
});
