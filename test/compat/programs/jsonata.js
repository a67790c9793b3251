import jsonata from 'jsonata';
import { program } from '../program.js';

export default program('queries a value by an expression', () => {
  return jsonata('$sum(items[price > 1].(price * count))').evaluate({
    items: [
      { price: 2, count: 3 },
      { price: 1, count: 9 },
    ],
  });
});
