import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RpcError, serve } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';
import { CRAWLER } from '../escapes/crawler.js';
import { type AnyStub, type Domain, Doorway, probeGraph } from './doorway.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const logged: { level: string; message: string }[] = [];
const log = {
  write: (line: { level: string; message: string }) => {
    logged.push(line);
    return {};
  },
};

let doorway: Doorway;
let domain: Domain;
beforeAll(async () => {
  doorway = new Doorway();
  await doorway.open();
  const type = sturdySchema().interface('Log');
  domain = await doorway.start({ grants: [{ name: 'log', interfaceId: type.id, cap: serve(type, log) }] });
});
afterAll(() => doorway.close());

describe('a domain in a thread', () => {
  it('answers calls with what its program gives', async () => {
    const value = { text: 'ü and 𝒳', data: new Uint8Array([1, 2, 3]), number: -(2n ** 63n), float: 0.5 };
    await expect(domain.main.echo(value)).resolves.toEqual(value);
  });

  it('passes capabilities out and calls those that are passed in', async () => {
    const { item } = await domain.main.item({ id: 'item-1' });
    await expect(item.id()).resolves.toEqual({ id: 'item-1' });
    const pending = domain.main.item({ id: 'item-2' });
    await expect(pending.item.id()).resolves.toEqual({ id: 'item-2' });
    const listener = { heard: ({ text }: { text: string }) => ({ answer: `${text}!` }) };
    await expect(domain.main.tell({ listener, text: 'well' })).resolves.toEqual({ heard: 'well!' });
  });

  it('finds its objects again by their ids, and says so where there is none', async () => {
    const { cap } = await domain.restorer.restore({ object: bytes('item-7') });
    await expect(cap.as(probeGraph.interface('Item')).id()).resolves.toEqual({ id: 'item-7' });
    await expect(domain.restorer.restore({ object: bytes('other') })).rejects.toThrow('no item other');
    await expect(domain.restorer.restore({ object: bytes('stranger') })).rejects.toThrow(
      'there is no object "stranger": what restore("stranger") gave is not made by world.object',
    );
    await expect(domain.restorer.restore({ object: new Uint8Array([0xff]) })).rejects.toThrow(
      'its id is not UTF-8',
    );
  });

  it('takes an id for itself, and for no other that looks the same', async () => {
    const marked = '\uFEFFitem-7';
    await expect(domain.restorer.restore({ object: bytes(marked) })).rejects.toThrow(`no item ${marked}`);
    // The mark alone is not the empty id, which is the main object's.
    await expect(domain.restorer.restore({ object: bytes('\uFEFF') })).rejects.toThrow('no item \uFEFF');
    const { item } = await domain.main.item({ id: 'item-\uFEFF' });
    await expect(domain.main.whose({ item })).resolves.toEqual({ answer: 'Item item-\uFEFF true false' });
  });

  it('tells the broker who its objects are', async () => {
    const identified = sturdySchema().interface('Identified');
    const item = probeGraph.interface('Item').id;
    const identify = (stub: AnyStub) => stub.as(identified).identify();
    expect(await identify((await domain.main.item({ id: 'item-1' })).item)).toEqual({
      object: bytes('item-1'),
      interfaceId: item,
      persistent: true,
    });
    expect(await identify((await domain.main.nameless()).item)).toMatchObject({
      interfaceId: item,
      persistent: false,
    });
    expect(await identify(domain.main)).toEqual({
      object: new Uint8Array(0),
      interfaceId: probeGraph.interface('Probe').id,
      persistent: true,
    });
  });

  it('learns which of its objects is behind a capability, and what that allows', async () => {
    const { item } = await domain.main.item({ id: 'item-3' });
    await expect(domain.main.whose({ item })).resolves.toEqual({ answer: 'Item item-3 true false' });
    const stranger = { id: () => ({ id: 'mine' }), change: () => ({}) };
    await expect(domain.main.whose({ item: stranger })).resolves.toEqual({ answer: 'foreign' });
  });

  it('hears of its caller cancelling', async () => {
    const pending = domain.main.wait();
    pending.catch(() => {});
    await domain.main.cancelled();
    pending[Symbol.dispose]();
    await expect.poll(async () => (await domain.main.cancelled()).count).toBe(1);
  });

  it('renders with handlebars, which compiles its templates to functions', async () => {
    const { main } = await doorway.start({ module: './domains/letter.ts' });
    await expect(main.render({ name: 'Ann' })).resolves.toEqual({ text: '<!-- letter -->Dear Ann, ' });
  });

  it('fails a call with the message of what its method threw, and nothing else of it', async () => {
    const thrown = (source: string) =>
      domain.main.evaluate({ source }).then(
        () => 'nothing',
        (error: RpcError) => [error.type, error.message],
      );
    expect(await thrown(`throw new Error('no money')`)).toEqual(['failed', 'no money']);
    expect(await thrown(`throw 'text'`)).toEqual(['failed', 'text']);
    expect(await thrown(`throw { get message() { throw 1 } }`)).toEqual([
      'failed',
      'a value that cannot be described was thrown',
    ]);
    const recursive = `const f = () => f() + 1; return String(f())`;
    expect(await thrown(recursive)).toEqual(['failed', 'Maximum call stack size exceeded']);
    expect(await thrown(`throw new Error('x'.repeat(100000))`)).toMatchObject({ length: 2 });
  });

  it('runs text that it makes itself, whatever stands in its strings', async () => {
    const source = `return new Function('a', 'return "<!--" + a + "-->" + "import(x)" + /<!--/.test(a)')('<!--')`;
    await expect(domain.main.evaluate({ source })).resolves.toEqual({ outcome: '<!--<!---->import(x)true' });
  });

  it('gets bytes that are its own, with nothing behind them', async () => {
    const type = sturdySchema().interface('Random');
    const random = { bytes: ({ count }: { count: number }) => ({ bytes: new Uint8Array(count) }) };
    const grants = [{ name: 'random', interfaceId: type.id, cap: serve(type, random) }];
    const other = await doorway.start({ grants });
    const source = `
      const { bytes } = await world.grants.random.bytes({ count: 8 });
      return [bytes.constructor === Uint8Array, bytes.length, bytes.byteOffset, bytes.buffer.byteLength].join();`;
    await expect(other.main.evaluate({ source })).resolves.toEqual({ outcome: 'true,8,0,8' });
    await other.placement.terminate('the test is over');
  });

  it('writes its console to the log that it was granted', async () => {
    logged.length = 0;
    await domain.main.evaluate({
      source: `console.log('a', 1, 2n, { b: 3n }, null, new Error('c')); console.error('e'.repeat(10000)); return ''`,
    });
    expect(logged[0]).toEqual({ level: 'info', message: 'a 1 2 {"b":"3n"} null Error: c' });
    expect(logged[1]).toMatchObject({ level: 'error', message: 'e'.repeat(8192) });
  });

  it('lives on after a rejection that nobody handled, which is logged', async () => {
    logged.length = 0;
    await domain.main.evaluate({ source: `Promise.reject(new Error('forgotten')); return ''` });
    await expect.poll(() => logged).toEqual([{ level: 'error', message: 'unhandled rejection: forgotten' }]);
    await domain.main.echo({});
  });
});

describe('a program that cannot start', () => {
  it.each([
    ['throws', `throw new Error('boom')`, 'boom'],
    ['throws in its default export', `() => { throw new Error('boom'); }`, 'boom'],
    ['rejects in its default export', `async () => { throw new Error('boom'); }`, 'boom'],
    ['is no script', `)`, "Unexpected token ')'"],
    [
      'has no function as its default export',
      `({})`,
      'the default export must be a function of the world, not object',
    ],
    ['returns no main object', `() => 1`, 'the default export must return { main }'],
    [
      'has a restore that is none',
      `() => ({ main: {}, restore: 1 })`,
      'restore must be a function of an object id',
    ],
    ['names an interface that there is not', `(w) => w.object('Nothing', 'x', {})`, 'Nothing'],
    [
      'gives an object two ids',
      `(w) => { const o = {}; w.object('Item', 'a', o); w.object('Item', 'b', o); }`,
      'is Item "a" already',
    ],
    [
      'gives an id with half a character',
      `(w) => w.object('Item', 'a\\ud800', {})`,
      'is not well-formed Unicode',
    ],
    ['gives an empty id', `(w) => w.object('Item', '', {})`, 'an object id has 1 to 1024 bytes'],
    ['asks for console without log', `console.log(1)`, "undefined (reading 'log')"],
    ['imports', `import('fs')`, 'import'],
  ])('that %s is reported', async (_what, source, message) => {
    await expect(doorway.start({ source })).rejects.toThrow(message);
  });

  it('ends its thread', async () => {
    const before = doorway.lines.length;
    await doorway.start({ source: `throw new Error('boom')` }).catch(() => {});
    await expect
      .poll(() => doorway.lines.slice(before))
      .toContainEqual(
        expect.objectContaining({ message: 'a domain ended', reason: 'it could not be started: boom' }),
      );
  });
});

describe('a program that fails with an error of our class', () => {
  it('whose message it has made its own object, ends alone and with text', async () => {
    const neighbour = await doorway.start({ group: 'errors' });
    const type = sturdySchema().interface('Log');
    const refusing = { write: () => Promise.reject(new Error('no')) };
    const grants = [{ name: 'log', interfaceId: type.id, cap: serve(type, refusing) }];
    // Its message is taken for the reason of its end, and put into a text, which throws another with an object for a message.
    const source = `async (world) => {
      let RpcError;
      try { await world.grants.log.write({}); } catch (error) { RpcError = error.constructor; }
      const withMessage = (message) => {
        const error = new RpcError('failed', 'an error of its own');
        try { Object.defineProperty(error, 'message', { get: () => message }); } catch {}
        return error;
      };
      const reason = { of: 'the guest', buffer: new ArrayBuffer(64) };
      throw withMessage({ toString() { throw withMessage(reason); } });
    }`;
    const before = doorway.lines.length;
    await expect(doorway.start({ source, grants, group: 'errors' })).rejects.toThrow('an error of its own');
    await expect
      .poll(() => doorway.lines.slice(before).find(({ message }) => message === 'a domain ended'))
      .toMatchObject({ reason: 'it could not be started: an error of its own' });
    await expect(neighbour.main.echo({ text: 'still here' })).resolves.toMatchObject({ text: 'still here' });
    expect(neighbour.ends).toEqual([]);
  });
});

describe('from inside a domain', () => {
  const outcome = async (source: string): Promise<string> => {
    try {
      return (await domain.main.evaluate({ source })).outcome;
    } catch (error) {
      return `! ${(error as Error).message}`;
    }
  };

  it.each([
    [`return typeof process + typeof require + typeof module + typeof Buffer + typeof fetch`],
    [
      `return typeof setTimeout + typeof performance + typeof SharedArrayBuffer + typeof Atomics + typeof queueMicrotask`,
    ],
    [
      `return typeof WebAssembly + typeof TextDecoder + typeof lockdown + typeof Compartment + typeof WeakRef`,
    ],
  ])('%s: there is none', async (source) => {
    expect(await outcome(source)).toBe('undefined'.repeat(5));
  });

  it.each([
    [`return await import('node:fs')`, /import expression rejected/],
    [`return await (0, eval)('im' + 'port("node:fs")')`, /import expression rejected/],
    [`return await new Function('return im' + 'port("node:fs")')()`, /import expression rejected/],
    [`return new Function('return process')().pid`, /process is not defined|of undefined/],
    [`return [].constructor.constructor('return this')()`, /not a valid constructor/],
    [`return (async () => {}).constructor('return 1')()`, /not a valid constructor/],
    [`return (function* () {}).constructor('yield 1')()`, /not a valid constructor/],
    [`return (async function* () {}).constructor('yield 1')()`, /not a valid constructor/],
    [`return new Function('/*', '*/){')()`, /./],
    [`return String((function () { return this })())`, /^undefined$/],
    [`return String(new Function('return this')())`, /^undefined$/],
    [`return Date.now()`, /secure mode/],
    [`return String(new Date())`, /secure mode/],
    [`return Math.random()`, /secure mode/],
    [`return Object.keys(Error.prepareStackTrace ?? {}).join() + new Error('x').stack`, /^$/],
    [`Error.prepareStackTrace = (e, s) => s; return typeof new Error('x').stack`, /^string$/],
    [`Object.prototype.polluted = 1; return 'polluted'`, /not extensible|read only/],
    [`Promise.prototype.then = null; return 'polluted'`, /read only|Cannot assign/],
    [`globalThis.x = 1; return 'set'`, /not extensible/],
    [`world.grants.log = 1; return 'set'`, /read only|Cannot assign/],
    [`world.grants.log.write = 1; return 'set'`, /read only|Cannot assign|not extensible/],
    [`return String(world.grants.log.constructor === Object)`, /^true$/],
    [`return await new Function('return "a" + im' + 'port("node:fs")')()`, /import expression rejected/],
    [`return eval('1 <' + '!-- 2')`, /HTML comment rejected/],
    [`return typeof /x/.compile`, /^undefined$/],
    [`return new Date(0).toString()`, /GMT\+0000/],
  ])('%s is refused', async (source, expected) => {
    expect((await outcome(source)).replace(/^! /, '')).toMatch(expected);
  });

  it('a stub cannot be cast to a type that the program made, whose codec it would be', async () => {
    const source = `
      const got = [];
      const encode = (...parts) => { got.push(...parts); };
      const method = { name: 'x', id: 0, interface: { name: 'X', id: 0n }, params: { encode }, results: { pipelineFields: () => [] } };
      const type = { name: 'X', id: 0n, allMethods: () => [method], extends: () => true, method: () => method };
      try { await world.grants.log.as(type).x({}); } catch (error) {}
      return String(got.length);`;
    expect(await outcome(source)).toBe('0');
  });

  it('all that can be reached is frozen: the world, stubs, calls, errors, results, contexts', async () => {
    const source = `
      const { log } = world.grants;
      let context, params;
      const served = { heard(p, c) { params = p; context = c; return { answer: 'x' }; } };
      const lines = await (${CRAWLER})(() => false, ({ see, mine, attempt, settle }) => {
        see(world, 'world');
        see(console, 'console');
        see(log, 'log');
        mine(log.write({ level: 'info', message: 'x' }), 'pending');
        settle('write', log.write({ level: 'info', message: 'x' }).then((r) => r));
        settle('bad value', log.write({ level: 'info', message: 1 }).then((r) => r));
        settle('bad property', log.write({ none: 1 }).then((r) => r));
        settle('bad surrogate', log.write({ message: '\\ud800' }).then((r) => r));
        settle('hostile', log.write({ get message() { throw new Error('mine'); } }).then((r) => r));
        settle('own', world.own(log));
        settle('own of nothing', world.own({}));
        attempt('object', () => world.object(1));
        attempt('object of none', () => world.object('Nothing', 'x', {}));
        attempt('object twice', () => { const o = {}; world.object('Item', 'a', o); world.object('Item', 'b', o); });
        const gone = log.dup(); gone[Symbol.dispose]();
        settle('disposed', gone.write({}).then((r) => r));
        attempt('write of nothing', () => log.write.call({}, {}));
        attempt('as nothing', () => log.as());
        see(self.context, 'context');
        see(self.context.signal, 'signal');
        see(self.params, 'params');
      });
      return lines.join('\\n');`;
    const program = `
      (world) => {
        const self = {};
        return { main: { async evaluate({ source }, context) {
          self.context = context; self.params = { };
          void context.signal;
          return { outcome: await new Function('world', 'self', 'return (async () => {' + source + '})()')(world, { context, params: undefined }) };
        } } };
      }`;
    const type = sturdySchema().interface('Log');
    const grants = [{ name: 'log', interfaceId: type.id, cap: serve(type, log) }];
    const other = await doorway.start({ source: program, grants, turnMillis: 10_000 });
    const { outcome: lines } = await other.main.evaluate({ source });
    expect(lines.split('\n').slice(1, -1)).toEqual([]);
    await other.placement.terminate('the test is over');
  });
});
