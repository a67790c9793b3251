import slugify from 'slugify';
import { program } from '../program.js';

export default program('makes names for addresses', () => {
  return [slugify('Ünïcode & Spaces'), slugify('A_B c', { lower: true, strict: true })];
});
