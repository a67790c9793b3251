import * as v from 'valibot';
import { program } from '../program.js';

export default program('validates a value by a schema', () => {
  const schema = v.object({ a: v.pipe(v.string(), v.minLength(2)), b: v.optional(v.number(), 7) });
  return [v.parse(schema, { a: 'xy' }), v.safeParse(schema, { a: 'x' }).issues.map(({ message }) => message)];
});
