import { readFileSync } from 'node:fs';
import {
  connectSocket,
  listenSocket,
  type Pending,
  Session,
  StreamTransport,
  type Stub,
  serve,
} from '../../rpc/index.js';
import { type InterfaceType, SchemaGraph } from '../../schema/index.js';
import { echoObject } from '../echo/echo.js';
import { ECHO_SCHEMA } from '../place.js';
import type { Caller, Subject } from './subject.js';

export const subject: Subject = {
  name: 'direct',
  title: 'Sturdy rpc, direct',
  what: '`sturdy/rpc` on both sides, without a broker: stubs in the client, a plain object in the server.',
  side: 'ours',
  chain: 'pipelined',
  needs: 'nothing',

  async serve(path) {
    const echo = serve(echoType(), echoObject());
    await listenSocket({ path }, (socket) => {
      new Session(new StreamTransport(socket), { bootstrap: echo });
    });
  },

  async connect(address) {
    const session = await connectSocket({ path: address });
    return stubCaller(session.bootstrap<EchoStub>(echoType()), () => session.close());
  },
};

export function echoType(): InterfaceType {
  return SchemaGraph.load(readFileSync(ECHO_SCHEMA)).interface('Echo');
}

export interface EchoStub extends Stub {
  echo(params: { payload: Uint8Array }): Pending<{ payload: Uint8Array }>;
  next(): Pending<{ node: EchoStub }>;
}

/** Calls as a program makes them: also through a broker. */
export function stubCaller(echo: EchoStub, close: () => void): Caller {
  return {
    echo(payload, done) {
      echo.echo({ payload }).then(({ payload: returned }) => done(null, returned), done as never);
    },
    chain(payload, done) {
      using first = echo.next();
      using a = first.node;
      using second = a.next();
      using b = second.node;
      using third = b.next();
      using c = third.node;
      c.echo({ payload }).then(({ payload: returned }) => done(null, returned), done as never);
    },
    close,
  };
}
