import leven from 'leven';
import { program } from '../program.js';

export default program('measures how far words are apart', () => {
  return [leven('kitten', 'sitting'), leven('', 'abc')];
});
