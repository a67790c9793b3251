/** The RPC of capnp-ts, with the classes that its compiler would generate, written out by hand. */

import {
  Client,
  Conn,
  getInterfaceClient,
  type Method,
  ObjectSize,
  RemotePromise,
  Server,
  Struct,
  setInterfaceClient,
  type Transport,
} from 'capnp-ts';
import { FrameSocket } from '../frames.js';
import { dial, listen } from '../unix-socket.js';
import type { Subject } from './subject.js';

export const subject: Subject = {
  name: 'capnp-ts',
  title: 'capnp-ts Conn',
  what: 'The RPC of capnp-ts, the same wire format in JavaScript. It has no transport for sockets: its messages go in our raw frames, one write a tick.',
  side: 'peer',
  chain: 'pipelined',
  needs: 'nothing',

  serve: (path) =>
    listen(path, (socket) => {
      new Conn(transportOn(socket), { main: new EchoServer() });
    }),

  async connect(address) {
    const socket = await dial(address);
    const conn = new Conn(transportOn(socket));
    const echo = conn.bootstrap({ _capnp: { displayName: 'Echo', id: ID }, Client: EchoClient });
    return {
      echo(payload, done) {
        echo.echo(payload).then((results) => done(null, results.payload), done as never);
      },
      chain(payload, done) {
        const end = echo.next().node.next().node.next().node;
        end.echo(payload).then((results) => done(null, results.payload), done as never);
      },
      close: () => conn.close(),
    };
  },
};

const ID = 'fb7103e15cf57335';
const INTERFACE = BigInt(`0x${ID}`);

class EchoParams extends Struct {
  static override readonly _capnp = { displayName: 'EchoParams', id: '1', size: new ObjectSize(0, 1) };
  get payload(): Uint8Array {
    return Struct.getData(0, this).toUint8Array();
  }
  set payload(bytes: Uint8Array) {
    Struct.initData(0, bytes.length, this).copyBuffer(bytes);
  }
}

class EchoResults extends EchoParams {
  static override readonly _capnp = { displayName: 'EchoResults', id: '2', size: new ObjectSize(0, 1) };
}

class NextParams extends Struct {
  static override readonly _capnp = { displayName: 'NextParams', id: '3', size: new ObjectSize(0, 0) };
}

class NextResults extends Struct {
  static override readonly _capnp = { displayName: 'NextResults', id: '4', size: new ObjectSize(0, 1) };
  get node(): EchoClient {
    return new EchoClient(getInterfaceClient(0, this));
  }
}

class NextPromise extends RemotePromise<NextResults> {
  get node(): EchoClient {
    return new EchoClient(this.pipelineClient(0));
  }
}

const ECHO: Method<EchoParams, EchoResults> = {
  interfaceId: INTERFACE,
  interfaceName: 'Echo',
  methodId: 0,
  methodName: 'echo',
  ParamsClass: EchoParams,
  ResultsClass: EchoResults,
};

const NEXT: Method<NextParams, NextResults> = {
  interfaceId: INTERFACE,
  interfaceName: 'Echo',
  methodId: 1,
  methodName: 'next',
  ParamsClass: NextParams,
  ResultsClass: NextResults,
};

class EchoClient {
  constructor(readonly client: Client) {}

  echo(payload: Uint8Array): RemotePromise<EchoResults> {
    return this.client.call(ECHO, (params: EchoParams) => {
      params.payload = payload;
    });
  }

  next(): NextPromise {
    return this.client.call<NextParams, NextResults, NextPromise>(NEXT, undefined, NextPromise);
  }
}

class EchoServer extends Server {
  constructor() {
    super([
      {
        ...ECHO,
        impl: (params: EchoParams, results: EchoResults) => {
          results.payload = params.payload;
        },
      },
      { ...NEXT, impl: (_: NextParams, results: NextResults) => setInterfaceClient(0, this.self, results) },
    ]);
  }
  /** One client for all, so that it is one export. */
  readonly self = new Client({ server: this, tag: 'local' });
}

function transportOn(socket: Awaited<ReturnType<typeof dial>>): Transport {
  let take: (data: Uint8Array) => void = () => {};
  const frames = new FrameSocket(socket, (_, bytes) => take(bytes));
  return {
    send: (data) => frames.send(0, data),
    onMessage: (each) => {
      take = each;
    },
    onClose: (closed) => void socket.once('close', () => closed()),
    close: () => frames.end(),
  };
}
