import Fuse from 'fuse.js';
import { program } from '../program.js';

export default program('searches texts with errors in them', () => {
  return new Fuse(['capability', 'membrane', 'sturdyref'], { includeScore: false })
    .search('memrbane')
    .map(({ item }) => item);
});
