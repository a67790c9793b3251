/**
 * A calculator over rpc/ alone: no broker, one bootstrap capability for whoever connects.
 *
 * usage: node dist/examples/calculator/server.js ADDRESS
 *
 * ADDRESS is HOST:PORT or the path of a unix socket. Prints where it listens.
 */
import { describeAddress, listenSocket, RpcError, Session, StreamTransport, serve } from '../../rpc/index.js';
import { type Expression, type Operator, parseAddress, schema } from './interfaces.js';

const OPERATORS: Readonly<Record<Operator, (left: number, right: number) => number>> = {
  add: (left, right) => left + right,
  subtract: (left, right) => left - right,
  multiply: (left, right) => left * right,
  divide: (left, right) => left / right,
};

/** The number that an expression comes to, with these parameters where it is the body of a function. */
async function result(expression: Expression, parameters: readonly number[]): Promise<number> {
  if ('literal' in expression) return expression.literal;
  if ('previousResult' in expression) return (await expression.previousResult.read({})).value;
  if ('parameter' in expression) {
    const value = parameters[expression.parameter];
    if (value === undefined) {
      throw new RpcError('failed', `parameter ${expression.parameter}: there are ${parameters.length}`);
    }
    return value;
  }
  const { function: called, params } = expression.call;
  // All at once: they may be calls to anywhere.
  const values = await Promise.all(params.map((param) => result(param, parameters)));
  return (await called.call({ params: values })).value;
}

/** The same expression with references of its own, which outlive the call that brought it. */
function kept(expression: Expression, held: Disposable[]): Expression {
  if ('previousResult' in expression) {
    const previousResult = expression.previousResult.dup();
    held.push(previousResult);
    return { previousResult };
  }
  if ('call' in expression) {
    const called = expression.call.function.dup();
    held.push(called);
    return { call: { function: called, params: expression.call.params.map((param) => kept(param, held)) } };
  }
  return expression;
}

function exactly(count: number, params: readonly number[]): void {
  if (params.length !== count) {
    throw new RpcError('failed', `called with ${params.length} parameters; must be ${count}`);
  }
}

const calculator = {
  async evaluate({ expression }: { expression: Expression }) {
    const value = await result(expression, []);
    return { value: { read: () => ({ value }) } };
  },

  defFunction({ paramCount, body }: { paramCount: number; body: Expression }) {
    const held: Disposable[] = [];
    const ownBody = kept(body, held);
    return {
      func: {
        async call({ params }: { params: readonly number[] }) {
          exactly(paramCount, params);
          return { value: await result(ownBody, params) };
        },
        /** Nobody holds the function any more: what its body holds is let go. */
        [Symbol.dispose]() {
          for (const each of held) each[Symbol.dispose]();
        },
      },
    };
  },

  getOperator({ op }: { op: Operator }) {
    return {
      func: {
        call({ params }: { params: readonly number[] }) {
          exactly(2, params);
          return { value: OPERATORS[op](params[0]!, params[1]!) };
        },
      },
    };
  },
};

const [, , address] = process.argv;
if (address === undefined) {
  console.error('usage: server.js ADDRESS');
  process.exit(2);
}
const bootstrap = serve(schema.interface('Calculator'), calculator);
const listener = await listenSocket(parseAddress(address), (socket) => {
  new Session(new StreamTransport(socket), { bootstrap });
});
console.log(`listening on ${describeAddress(listener.address)}`);
