import { micromark } from 'micromark';
import { program } from '../program.js';

export default program('renders Markdown by the CommonMark rules', () => {
  return micromark('a **b** [c](d "e")\n\n1. f\n2. g\n\n```js\nh < i\n```\n');
});
