/**
 * A domain's thread, from its first instant to its last: a Piscina task. Loading this module loads every trusted module
 * that the thread will ever need; then it locks the thread down, parks, rehearses, and waits for its orders. With them it
 * connects to the broker's private socket, or takes the connection that its host has inherited, shows its token, takes the program, evaluates it in a compartment, and serves
 * its objects until the connection ends, and the thread with it.
 *
 * Nothing of a program is loaded before the token was accepted. What comes from the program is hostile (R4): it is passed
 * on to rpc/, which copies it by the codec, and is otherwise not looked at; nothing of it ever reaches the message port,
 * and no error of it may reach Node's own reporting, which would inspect and clone it.
 */

import { readlinkSync } from 'node:fs';
import { createConnection, Socket } from 'node:net';
import process from 'node:process';
import { threadId } from 'node:worker_threads';
import {
  type CallContext,
  RpcError,
  Session,
  StreamTransport,
  type Stub,
  serve,
  serveAlso,
} from '../rpc/index.js';
import { soonIsUsual } from '../rpc/soon.js';
import {
  AnyPointer,
  CodecError,
  MessageError,
  PooledBuffer,
  SchemaError,
  SchemaGraph,
  sturdySchema,
} from '../schema/index.js';
import { makeCompartment } from './compartment.js';
import { makeConsole, type WriteLog } from './console.js';
import type { Admission, LoadedProgram, Threshold } from './entrance.js';
import { type Locked, lockdown } from './lockdown.js';
import { makeWorld } from './make-world.js';
import { OwnObjects } from './objects.js';
import { type Door, type FromThread, MAX_REASON, type Seat, type ToThread } from './orders.js';
import { dropNetwork } from './permission.js';
import { rehearse } from './rehearsal.js';
import { SlicesOfTime } from './slices-of-time.js';

/** What the shell keeps for its messages counts as the domain's memory off the heap, whose limit may be small. */
PooledBuffer.keepBytes = 4 * 1024 * 1024;

const exit = process.exit.bind(process);
const memoryUsage = process.memoryUsage.bind(process);
/** Read while modules still load, so that a parked thread has it. */
const protocol = sturdySchema();

interface LogPower extends Stub {
  write(params: { level: string; message: string }): Promise<object>;
}

/** The task. Its promise never settles: a thread that is done, or no good, exits, so that it is never used again. */
export default async function shell({ orders }: Seat): Promise<never> {
  const post = (message: FromThread): void => orders.postMessage(message);
  const end = (reason: unknown): never => {
    post({ kind: 'over', reason: typeof reason === 'string' ? reason.slice(0, MAX_REASON) : 'no reason' });
    return exit(0);
  };
  const fail = (error: unknown): never => end(`its shell failed: ${RpcError.from(error).message}`);
  process.on('uncaughtException', fail);
  try {
    const task = ownTask();
    const locked = lockdown();
    soonIsUsual();
    hardenVisible(locked);
    let entered = false;
    orders.on('message', (message: ToThread) => {
      if (message.kind === 'ping') {
        post({ kind: 'alive' });
      } else if (message.kind === 'measure') {
        const { heapUsed, arrayBuffers } = memoryUsage();
        post({ kind: 'memory', heapBytes: heapUsed, offHeapBytes: arrayBuffers });
      } else if (!entered) {
        entered = true;
        const begins = () => post({ kind: 'begins' });
        inhabit(locked, message, begins).then(end, (error: unknown) => end(RpcError.from(error).message));
      }
    });
    post({ kind: 'parked', threadId, task });
    await rehearse(() => entered);
  } catch (error) {
    fail(error);
  }
  return new Promise(() => {});
}

/** What the kernel calls this thread; 0 where it does not say. */
function ownTask(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  } catch {
    return 0;
  }
}

/**
 * Classes of ours whose instances a program gets to see. They were made before lockdown, so those of errors inherit from
 * the untamed Error, which the program must not find behind them.
 */
function hardenVisible({ harden }: Locked): void {
  const errors = [RpcError, CodecError, MessageError, SchemaError];
  for (const error of errors) Object.setPrototypeOf(error, Error.prototype.constructor);
  harden([...errors, AnyPointer]);
}

/** One domain's life. Gives the reason of its end. */
async function inhabit(
  locked: Locked,
  { door, token }: ToThread & { kind: 'enter' },
  begins: () => void,
): Promise<string> {
  const session = await pass(door);
  const threshold = session.bootstrap<Threshold>(protocol.interface('Threshold'));
  const { admission } = await threshold.enter({ token });
  threshold[Symbol.dispose]();
  const { program } = await admission.load();
  try {
    const objects = await begin(locked, program, admission, begins);
    const restorer = serve<Stub>(protocol.interface('Restorer'), {
      restore: async ({ object }: { object: Uint8Array }, context: CallContext) => ({
        cap: context.use(await objects.restore(object)),
      }),
    });
    await admission.ready({ restorer });
    restorer[Symbol.dispose]();
  } catch (error) {
    return failed(admission, session, error);
  }
  return (await session.closed).message;
}

/** The connection to the broker. */
async function pass(door: Door): Promise<Session> {
  const socket =
    'inherited' in door
      ? new Socket({ fd: door.inherited, readable: true, writable: true })
      : await connect(door.socket);
  if ('inherited' in door) dropNetwork();
  // A guest may call at the very end of its stack: nothing is written on it.
  const pace = new SlicesOfTime();
  return new Session(new StreamTransport(socket, {}, { pace, writeMessages: Number.POSITIVE_INFINITY }));
}

async function connect(path: string): Promise<Socket> {
  const socket = createConnection({ path });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) =>
      reject(new RpcError('disconnected', `cannot connect to the broker: ${cause.message}`, { cause })),
    );
  });
  socket.removeAllListeners('error');
  return socket;
}

async function failed(admission: Admission, session: Session, error: unknown): Promise<string> {
  const { message } = RpcError.from(error);
  // Where the connection is what failed, nobody is left to be told.
  await admission.failed({ message }).catch(() => {});
  session.close();
  return `it could not be started: ${message}`;
}

/** Evaluates the program and starts it. */
async function begin(
  locked: Locked,
  program: LoadedProgram,
  admission: Admission,
  begins: () => void,
): Promise<OwnObjects> {
  const graph = SchemaGraph.load(program.schemas);
  const grants = program.grants.map(({ name, interfaceId, cap }) => {
    if (cap === null) throw new RpcError('failed', `the grant ${name} came without a capability`);
    return { name, stub: cap.as<Stub>(graph.interface(interfaceId)) };
  });
  const objects = new OwnObjects(graph, graph.interface(program.mainInterface));
  serveAlso(protocol.interface('Identified'), (object, type) => ({
    identify: () => objects.identify(object, type),
  }));

  const log = grants.find(({ name }) => name === 'log')?.stub as LogPower | undefined;
  const write: WriteLog | null = log === undefined ? null : writerTo(log);
  process.on('unhandledRejection', (reason) => {
    write?.('error', `unhandled rejection: ${RpcError.from(reason).message}`);
  });

  const world = makeWorld({
    name: program.name,
    graph,
    grants,
    objects,
    own: async (cap) => (await admission.own({ cap })).result,
  });
  const place = makeCompartment(locked, write === null ? {} : { console: makeConsole(write) });
  begins();
  const start = place.evaluate(program.source);
  if (typeof start !== 'function') {
    throw new RpcError('failed', `the default export must be a function of the world, not ${typeof start}`);
  }
  const started: unknown = await Reflect.apply(start, undefined, [world]);
  const main = memberOf(started, 'main');
  if (typeof main !== 'object' || main === null) {
    throw new RpcError('failed', 'the default export must return { main }, the object of the main interface');
  }
  const restore = memberOf(started, 'restore');
  if (restore !== undefined && typeof restore !== 'function') {
    throw new RpcError('failed', `restore must be a function of an object id, not ${typeof restore}`);
  }
  objects.start(
    main,
    restore === undefined ? null : (objectId) => Reflect.apply(restore, started, [objectId]),
  );
  return objects;
}

/** One property of what the program returned, read once. What its getter throws is the program's failure to start. */
function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** A line that the log refuses (over its rate, or gone) is lost; that is what its interface says of it. */
function writerTo(log: LogPower): WriteLog {
  return (level, message) => {
    log.write({ level, message }).catch(() => {});
  };
}
