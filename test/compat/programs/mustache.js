import Mustache from 'mustache';
import { program } from '../program.js';

export default program('renders a template with sections and partials', () => {
  return Mustache.render(
    '{{#a}}<{{b}}{{{c}}}>{{> d}}{{/a}}{{^e}}none{{/e}}',
    { a: [{ b: '&', c: '&' }] },
    { d: '!' },
  );
});
