import jsonLogic from 'json-logic-js';
import { program } from '../program.js';

export default program('evaluates a rule', () => {
  return jsonLogic.apply(
    { if: [{ '>': [{ var: 'a' }, 3] }, { cat: ['big ', { var: 'a' }] }, 'small'] },
    { a: 5 },
  );
});
