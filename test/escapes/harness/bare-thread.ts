/**
 * A thread without a wall, which runs one program (see bare.ts) and posts the text that it returns. What it hands to the
 * program is as naive as what the attempts were first made against: objects of its own realm, functions that read, log and
 * await whatever they are passed, errors as they come.
 */

import { inspect } from 'node:util';
import { constants, createContext, runInContext, runInThisContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import type { BareOrder } from './bare.js';

type Program = (world: unknown, self: unknown) => Promise<unknown>;

const { kind, program } = workerData as BareOrder;
const port = parentPort!;
const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;

type Params = Record<string, unknown>;

/** Every object of the guest's is walked, and what is found is put into another: the merge that half of npm has had. */
function merge(target: Params, source: Params): Params {
  for (const key in source) {
    const value = source[key];
    if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
      if (typeof target[key] !== 'object' && typeof target[key] !== 'function') target[key] = {};
      merge(target[key] as Params, value as Params);
    } else target[key] = value;
  }
  return target;
}

/** Waits for whatever has a then. */
function settled(value: unknown): unknown {
  const { then } = Object(value) as { then?: (yes: unknown, no: unknown) => void };
  if (typeof then !== 'function') return value;
  return new Promise((yes, no) => then.call(value, yes, no));
}

/** What a guest's value is put to by somebody who trusts it: it is formatted, inspected, cloned and awaited. */
async function naive(params: Params): Promise<object> {
  const line = `${params['level']} ${params['message']} ${params['text']}`;
  inspect(params);
  // Bytes are passed on as they are: a text of each of them would take longer than the rest.
  JSON.stringify(params, (_key, value: unknown) => (ArrayBuffer.isView(value) ? '' : value));
  for (const value of Object.values(params)) await settled(value);
  return merge({ line, text: params['text'] }, params);
}

interface Listener {
  heard(params: object): Promise<{ answer: string }>;
}

class NaiveStub {
  async write(params: Params): Promise<object> {
    return naive(params);
  }
  async echo(params: Params): Promise<object> {
    return naive(params);
  }
  async read(): Promise<object> {
    return naive({ text: 'read' });
  }
  async tell({ listener, text }: { listener: Listener; text: string }): Promise<object> {
    const { answer } = (await settled(listener.heard({ text }))) as { answer: string };
    return { heard: answer };
  }
  async evaluate({ source }: { source: string }): Promise<object> {
    return { outcome: runInThisContext(source) as unknown };
  }
  as(): this {
    return this;
  }
  dup(): this {
    return this;
  }
}

/** Passes on what begins with the name of a folder. */
const reports = {
  async echo({ text }: { text: string }): Promise<object> {
    if (!text.startsWith('/reports')) throw new Error('not within /reports');
    return { text };
  },
};

const grants = {
  reports,
  log: new NaiveStub(),
  storage: new NaiveStub(),
  random: new NaiveStub(),
  neighbour: new NaiveStub(),
};
const self = new NaiveStub();
const world = {
  name: 'bare',
  grants,
  object(type: string, id: string, implementation: object): object {
    if (`${type}` === '' || `${id}` === '') throw new TypeError('an object has a type and an id');
    if (typeof implementation !== 'object') throw new TypeError('an object is an object');
    return implementation;
  },
  async own(stub: object): Promise<object> {
    return { interface: 'Item', object: '', allows: () => true, stub };
  },
};

/** Shadows every name but those of the language, and looks the text through for words: what a filter is. */
function scoped(text: string): Program {
  const allowed = {
    world,
    self,
    Object,
    Array,
    Reflect,
    Promise,
    Error,
    RegExp,
    Symbol,
    Proxy,
    String,
    Number,
  };
  const shadow = new Proxy(Object.assign(Object.create(null), allowed), { has: () => true });
  function naiveFunction(...parts: string[]): unknown {
    const body = parts.pop() ?? '';
    return run(`(function (${parts.join()}) { ${body} })`);
  }
  const run = (source: string): unknown =>
    new Function('shadow', `with (shadow) { made = ${source} } return shadow.made;`)(shadow);
  Object.assign(shadow, { Function: naiveFunction });
  return (async () => run(`(async () => { ${text} })()`)) as Program;
}

function programFor(): Program {
  if (kind === 'scope') return scoped(program);
  const text = `(async (world, self) => { ${program} })`;
  if (kind === 'worker') return runInThisContext(text, { importModuleDynamically }) as Program;
  return runInContext(text, createContext({ world, self })) as Program;
}

port.on('message', () => port.postMessage('alive'));

let outcome: unknown;
try {
  outcome = await programFor()(world, self);
} catch (error) {
  outcome = `threw ${String(error)}`;
}
port.postMessage(typeof outcome === 'string' ? outcome : typeof outcome);
