import * as yup from 'yup';
import { program } from '../program.js';

export default program('validates a value by a schema, by promises', async () => {
  const schema = yup.object({ a: yup.string().required(), b: yup.number().positive().integer() });
  const wrong = await schema.validate({ b: -1 }, { abortEarly: false }).catch((error) => error.errors);
  return [await schema.validate({ a: 'x', b: '2' }), wrong];
});
