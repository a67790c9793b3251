import type { Caller, Done, Subject } from './subject.js';

export const subject: Subject = {
  name: 'grpc',
  title: '@grpc/grpc-js',
  what: 'gRPC in Node over HTTP/2 on a unix socket, with bytes as its messages: nothing is encoded. It has no objects: its chain is four calls, one after the other.',
  side: 'peer',
  chain: 'sequential',
  needs: 'packages',

  async serve(path) {
    const { Server, ServerCredentials } = (await import('@grpc/grpc-js')).default;
    const server = new Server();
    server.addService(
      {
        Echo: {
          path: METHOD,
          requestStream: false,
          responseStream: false,
          requestSerialize: same,
          requestDeserialize: same,
          responseSerialize: same,
          responseDeserialize: same,
        },
      },
      { Echo: (call, answer) => answer(null, call.request) },
    );
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  },

  async connect(address) {
    const { Client, credentials } = (await import('@grpc/grpc-js')).default;
    const client = new Client(`unix:${address}`, credentials.createInsecure());
    const echo = (payload: Uint8Array, done: Done) => {
      client.makeUnaryRequest(METHOD, same, same, Buffer.from(payload.buffer), (error, returned) =>
        done(error, returned!),
      );
    };
    return { echo, chain: fourAfterEachOther(echo), close: () => client.close() };
  },
};

const METHOD = '/bench.Echo/Echo';
const same = (bytes: Buffer): Buffer => bytes;

/** The chain of a subject that cannot pipeline. */
export function fourAfterEachOther(echo: Caller['echo']): Caller['echo'] {
  return (payload, done) => {
    let left = 4;
    const next: Done = (error, returned) => {
      if (error !== null || --left === 0) done(error, returned);
      else echo(payload, next);
    };
    echo(payload, next);
  };
}
