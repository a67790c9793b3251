/**
 * A client of a calculator, be it the one in server.ts or one in another language: what it asks for becomes more
 * interesting from step to step.
 *
 * usage: node dist/examples/calculator/client.js ADDRESS
 *
 * ADDRESS is HOST:PORT or the path of a unix socket.
 */
import { connectSocket } from '../../rpc/index.js';
import {
  type Calculator,
  type Expression,
  type Func,
  type Operator,
  parseAddress,
  schema,
} from './interfaces.js';

const [, , address] = process.argv;
if (address === undefined) {
  console.error('usage: client.js ADDRESS');
  process.exit(2);
}
const session = await connectSocket(parseAddress(address));
const calculator = session.bootstrap<Calculator>(schema.interface('Calculator'));

const literal = (value: number): Expression => ({ literal: value });
const call = (called: Func, ...params: Expression[]): Expression => ({
  call: { function: called, params },
});
/** Nothing is waited for: a function that is asked for can be used at once. */
const operator = (op: Operator): Func => calculator.getOperator({ op }).func;
const evaluate = (expression: Expression) => calculator.evaluate({ expression }).value;

// The bootstrap, the evaluation and the reading of its value are under way before the first has returned.
console.log(`123 = ${(await evaluate(literal(123)).read({})).value}`);

const add = operator('add');
const subtract = operator('subtract');
const sum = evaluate(call(subtract, call(add, literal(123), literal(45)), literal(67)));
console.log(`123 + 45 - 67 = ${(await sum.read({})).value}`);

// A value that nobody knows yet goes into two more expressions. All of it is one round trip.
const multiply = operator('multiply');
const product = evaluate(call(multiply, literal(4), literal(6)));
const plus3 = evaluate(call(add, { previousResult: product }, literal(3))).read({});
const plus5 = evaluate(call(add, { previousResult: product }, literal(5))).read({});
console.log(`4 * 6 + 3 = ${(await plus3).value}`);
console.log(`4 * 6 + 5 = ${(await plus5).value}`);

// f(x, y) = x * 100 + y, and g(x) = f(x, x + 1) * 2, which holds f.
const [x, y]: Expression[] = [{ parameter: 0 }, { parameter: 1 }];
const f = calculator.defFunction({
  paramCount: 2,
  body: call(add, call(multiply, x!, literal(100)), y!),
}).func;
const g = calculator.defFunction({
  paramCount: 1,
  body: call(multiply, call(f, x!, call(add, x!, literal(1))), literal(2)),
}).func;
console.log(`f(12, 34) = ${(await evaluate(call(f, literal(12), literal(34))).read({})).value}`);
console.log(`g(21) = ${(await evaluate(call(g, literal(21))).read({})).value}`);

// A function of this side's, which the calculator calls back: it has none for powers.
const power = {
  call: ({ params: [base = 0, exponent = 0] }: { params: number[] }) => ({ value: base ** exponent }),
} as unknown as Func;
const raised = evaluate(call(power, literal(2), call(add, literal(4), literal(5))));
console.log(`2 ^ (4 + 5) = ${(await raised.read({})).value}`);

session.close();
