/**
 * As much of the packages in bench/package.json as is used here, so that this compiles where they are not installed.
 */

declare module 'capnweb' {
  export interface RpcTransport {
    send(message: string): void | Promise<void>;
    receive(): Promise<string>;
    abort?(reason: unknown): void;
  }
  export class RpcTarget {}
  export class RpcSession<T> {
    constructor(transport: RpcTransport, main?: RpcTarget);
    getRemoteMain(): T;
  }
}

declare module '@endo/init' {}

declare module '@endo/captp' {
  /** Calls a method of what may not be there yet. */
  export function E(target: unknown): Record<string, (...args: unknown[]) => Promise<unknown>>;
  export function Far<T extends object>(name: string, methods: T): T;
  export function makeCapTP(
    name: string,
    send: (message: object) => void,
    bootstrap?: object,
  ): { dispatch(message: object): boolean; getBootstrap(): Promise<unknown> };
}

declare module '@grpc/grpc-js' {
  interface Credentials {
    readonly credentials: 'opaque';
  }
  type Same = (bytes: Buffer) => Buffer;
  class Client {
    constructor(address: string, credentials: Credentials);
    makeUnaryRequest(
      path: string,
      serialize: Same,
      deserialize: Same,
      request: Buffer,
      done: (error: Error | null, answer?: Buffer) => void,
    ): void;
    close(): void;
  }
  class Server {
    addService(
      methods: Record<string, object>,
      implementation: Record<
        string,
        (call: { readonly request: Buffer }, answer: (error: null, answer: Buffer) => void) => void
      >,
    ): void;
    bindAsync(address: string, credentials: Credentials, done: (error: Error | null) => void): void;
  }
  const grpc: {
    Client: typeof Client;
    Server: typeof Server;
    credentials: { createInsecure(): Credentials };
    ServerCredentials: { createInsecure(): Credentials };
  };
  export default grpc;
}
