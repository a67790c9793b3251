import { LRUCache } from 'lru-cache';
import { program } from '../program.js';

export default program('keeps the values that were used last', () => {
  const cache = new LRUCache({ max: 2 });
  cache.set('a', 1).set('b', 2);
  cache.get('a');
  cache.set('c', 3);
  return [...cache.keys()];
});
