import Joi from 'joi';
import { program } from '../program.js';

export default program('validates a value by a schema', () => {
  const schema = Joi.object({ a: Joi.string().min(3).required(), b: Joi.number().integer() });
  return [schema.validate({ a: 'abc', b: '4' }).value, schema.validate({ a: 'x' }).error.message];
});
