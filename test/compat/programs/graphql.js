import { buildSchema, graphql, parse, print } from 'graphql';
import { program } from '../program.js';

export default program('makes a schema and executes a query', async () => {
  const schema = buildSchema('type Query { hello(name: String!): String, list: [Int!]! }');
  const rootValue = { hello: ({ name }) => `hello ${name}`, list: () => [1, 2] };
  return [await graphql({ schema, source: '{ hello(name: "a") list }', rootValue }), print(parse('{a{b}}'))];
});
