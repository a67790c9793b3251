import { camelCase, constantCase, kebabCase } from 'change-case';
import { program } from '../program.js';

export default program('changes the case of names', () => {
  return [camelCase('a long name'), kebabCase('aLongName'), constantCase('aLongName')];
});
