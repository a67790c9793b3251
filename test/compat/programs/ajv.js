import Ajv from 'ajv';
import { program } from '../program.js';

export default program('compiles a JSON schema to a program and validates with it', () => {
  const validate = new Ajv({ allErrors: true }).compile({
    type: 'object',
    properties: { a: { type: 'integer', minimum: 2 }, b: { enum: ['x', 'y'] } },
    required: ['a'],
    additionalProperties: false,
  });
  return [
    validate({ a: 3, b: 'x' }),
    validate({ a: 1, c: 0 }),
    validate.errors.map(({ message }) => message),
  ];
});
