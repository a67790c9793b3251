import { expect, it } from 'vitest';
import { type CallContext, memoryPair, RpcError, Session, type Stub, serve } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';

const graph = sturdySchema();

it('calls a method of the peer by its name, with values of the schema', async () => {
  const links = memoryPair();
  const stored: unknown[] = [];
  const storage = serve(graph.interface('Storage'), {
    get: ({ key }: { key: string }) => ({
      entry: key === 'a' ? { value: new Uint8Array([1, 2]) } : { absent: null },
    }),
    write: ({ changes }: { changes: unknown[] }) => {
      stored.push(...changes);
    },
    list: () => {
      throw new RpcError('overloaded', 'too much');
    },
  });
  const server = new Session(links.left, { bootstrap: storage });
  const client = new Session(links.right);
  // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
  const stub = client.bootstrap<any>(graph.interface('Storage'));
  expect(await stub.get({ key: 'a' })).toEqual({ entry: { value: new Uint8Array([1, 2]) } });
  expect(await stub.get({ key: 'b' })).toEqual({ entry: { absent: null } });
  await stub.write({
    changes: [
      { key: 'x', put: new Uint8Array([9]) },
      { key: 'y', delete: null },
    ],
  });
  expect(stored).toEqual([
    { key: 'x', put: new Uint8Array([9]) },
    { key: 'y', delete: null },
  ]);
  await expect(stub.list({})).rejects.toMatchObject({ type: 'overloaded', message: 'too much' });
  await expect(stub.get({ key: 3 })).rejects.toThrow('Storage.get.key: expected a string, got number');
  await expect(stub.get({ kee: 'a' })).rejects.toThrow('unknown field "kee"');
  stub[Symbol.dispose]();
  storage[Symbol.dispose]();
  await new Promise((resolve) => setImmediate(resolve));
  expect(client.connection.tables).toEqual({
    questions: 0,
    answers: 0,
    exports: 0,
    imports: 0,
    embargoes: 0,
  });
  expect(server.connection.tables).toEqual({
    questions: 0,
    answers: 0,
    exports: 0,
    imports: 0,
    embargoes: 0,
  });
});

it('pipelines on results, passes objects as capabilities, and releases what belongs to a call', async () => {
  const links = memoryPair();
  const clock = { now: () => ({ unixMillis: 7n }) };
  const gate = serve(graph.interface('Gate'), {
    restore: (_params: unknown, context: CallContext) => ({
      cap: context.use(serve(graph.interface('Clock'), clock)),
    }),
  });
  const server = new Session(links.left, { bootstrap: gate });
  const client = new Session(links.right);
  // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
  const stub = client.bootstrap<any>(graph.interface('Gate'));
  const pending = stub.restore({ ref: { secret: new Uint8Array(33) } });
  using cap = pending.cap as Stub;
  // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
  using typed = cap.as<any>(graph.interface('Clock'));
  expect(await typed.now()).toEqual({ unixMillis: 7n });
  await expect(typed.dup().as(graph.interface('Random')).bytes({ count: 1 })).rejects.toMatchObject({
    type: 'unimplemented',
  });
  client.close();
  await server.closed;
  expect(server.connection.tables.exports).toBe(0);
});
