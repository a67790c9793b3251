import { v5, validate } from 'uuid';
import { program } from '../program.js';

export default program('makes an identifier of a name', () => {
  return [v5('example.com', v5.DNS), validate('not one')];
});
