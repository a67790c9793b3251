import { z } from 'zod';
import { program } from '../program.js';

export default program('validates a value by a schema with a refinement', () => {
  const schema = z.object({ a: z.string().email(), b: z.array(z.number().int()).min(1) }).strict();
  const wrong = schema.safeParse({ a: 'no', b: [], c: 1 });
  return [schema.parse({ a: 'a@b.cd', b: [1] }), wrong.error.issues.map(({ code, path }) => [code, path])];
});
