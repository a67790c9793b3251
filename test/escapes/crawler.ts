/**
 * The crawler of R1: a program that walks everything it can reach, by property, by prototype, by accessor, by calling what
 * it reached without arguments, and by syntax, and names whatever is not frozen or is the trusted side's.
 *
 * A value that the program itself has just made (an error it provoked, a generator it wrote) is its own and need not be
 * frozen; what stands behind it must be.
 */

/**
 * The text of an async function of `isTrusted(object)` and `more({ see, mine, attempt, settle })`, by which further roots
 * can be added. It gives lines: `seen <objects> from <roots>`, one for each fault, `done`.
 */
export const CRAWLER = `async (isTrusted, more) => {
const { getPrototypeOf, isFrozen, getOwnPropertyDescriptors } = Object;
const { ownKeys, apply, construct } = Reflect;
const seen = new Set();
const faults = new Set();
const queue = [];
let rooted = 0;
const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
const see = (value, path, own) => {
  if (!isObject(value) || seen.has(value)) return;
  seen.add(value);
  queue.push({ value, path, own, depth: 0 });
};
// The function that a program wrote has a prototype, which is its own too.
const mine = (value, path) => {
  see(value, path, true);
  if (typeof value === 'function') see(value.prototype, path + '.prototype', true);
};
const attempt = (path, work) => {
  rooted++;
  try { mine(work(), path); } catch (error) { mine(error, path + '!'); }
};
const later = [];
const settle = (path, promise) => {
  rooted++;
  mine(promise, path);
  later.push(promise.then((value) => mine(value, path + ' fulfilled'), (error) => mine(error, path + ' rejected')));
};

const roots = () => {
  see(globalThis, 'globalThis');
  const parsed = (...text) => new Function(...text);
  const frozen = Object.freeze({ a: 1, f() {} });
  const deep = () => deep() + 1;
  const snippets = {
    'null.x': () => null.x, 'undeclared': () => undeclared, 'array length': () => new Array(-1),
    'uri': () => decodeURI('%'), 'json': () => JSON.parse('{'), 'syntax': () => parsed('}'), 'stack': deep,
    'bigint mix': () => 1n + 1, 'bigint division': () => 1n / 0n, 'symbol': () => Symbol() + '',
    'frozen': () => { frozen.a = 2; }, 'not a function': () => frozen.a(), 'not iterable': () => [...{}],
    'const': () => { const a = 1; a = 2; }, 'tdz': () => { a; let a; }, 'class call': () => (class {})(),
    'super': () => new (class extends Object { constructor() {} })(), 'private': () => (class { #x; static y(o) { return o.#x; } }).y({}),
    'regexp': () => new RegExp('('), 'repeat': () => 'x'.repeat(-1), 'date': () => new Date(NaN).toISOString(),
    'proxy': () => new Proxy({}, { getPrototypeOf: () => 1 }) instanceof Object, 'invalid code point': () => String.fromCodePoint(-1),
    'weak key': () => new WeakMap().set(1, 1), 'detached': () => new DataView(new ArrayBuffer(1)).getInt16(0),
    'aggregate': () => new AggregateError([1]), 'cause': () => new Error('x', { cause: 1 }), 'cyclic': () => { const a = {}; a.a = a; JSON.stringify(a); },
    'array iterator': () => [][Symbol.iterator](), 'map iterator': () => new Map().entries(), 'set iterator': () => new Set().values(),
    'string iterator': () => 'x'[Symbol.iterator](), 'matchAll': () => 'x'.matchAll(/x/g), 'generator function': () => function* () {},
    'generator': () => { function* g() {} Object.freeze(g.prototype); return g(); }, 'result': () => (function* () { yield 1; })().next(),
    'async function': () => async () => {}, 'async generator function': () => async function* () {},
    'async generator': () => { async function* g() {} Object.freeze(g.prototype); return g(); }, 'arguments': () => (function () { return arguments; })(1),
    'template': () => ((strings) => strings)\`a\${1}b\`, 'raw': () => ((strings) => strings.raw)\`a\${1}b\`, 'match': () => /(?<n>x)/.exec('x'),
    'groups': () => /(?<n>x)/d.exec('x').indices.groups, 'revocable': () => Proxy.revocable({}, {}), 'revoke': () => Proxy.revocable({}, {}).revoke,
    'revoked': () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy.x; },
    'class': () => class { static { this.x = 1; } get y() { return 1; } }, 'bound': () => (function () {}).bind(), 'object': () => ({}),
    'accessor': () => Object.getOwnPropertyDescriptor({ get x() { return 1; } }, 'x').get, 'typed': () => new Uint8Array(1), 'buffer': () => new Uint8Array(1).buffer,
    'float': () => new Float64Array(1), 'boxed': () => Object(Symbol.iterator), 'boxed bigint': () => Object(1n), 'function': () => new Function('return this'),
    'this': () => (0, function () { return this; })(), 'sloppy this': () => new Function('return this')(), 'eval': () => (0, eval)('this'),
    'direct eval': () => eval('this'), 'new.target': () => { function F() { return new.target; } return F; }, 'harden': () => harden({}),
    'stack of an error': () => new Error('x').stack, 'caller': () => (function () { return arguments.callee; })(), 'tail': () => deep.caller,
    'using': () => parsed('{ using a = { [Symbol.dispose]() { throw 1; } }; throw 2; }')(),
    'disposed': () => { let got; parsed('see', '{ using a = { [Symbol.dispose]() { see(this); } }; }')((it) => { got = it; }); return got; },
    'using what is none': () => parsed('{ using a = {}; }')(), 'iterator helpers': () => [].values().map((x) => x),
    'wrapped iterator': () => Iterator.from({ next() { return { done: true }; } }), 'iterators of several': () => Iterator.concat([1]),
    'zipped iterators': () => Iterator.zip([[1]]), 'iterator of matches': () => 'x'.matchAll(/x/gd).next(), 'dropped': () => [].values().drop(1),
    'flat': () => [[1]].values().flatMap((x) => x), 'delegating': () => (function* () { yield* [1]; })().next(), 'returned': () => (function* () {})().return(1),
    'thrown into': () => (function* () {})().throw({}), 'private brand': () => (class { #x() {} static y(o) { o.#x(); } }).y({}),
    'private method': () => (class { static #x() {} static y() { return this.#x; } }).y(), 'static block': () => { let it; class A { static { it = this; } } return it; },
    'field': () => (class { x = () => this; }), 'home object': () => ({ x() { return super.toString; } }).x(), 'optional': () => null?.x ?? {}, 'spread': () => [...'x'],
    'rest': () => ((...rest) => rest)(1), 'destructured': () => { const { ...rest } = { a: 1 }; return rest; }, 'destructured null': () => { const { a } = null; },
    'regexp sets': () => parsed('return /[a--b]/v')(), 'regexp modifiers': () => parsed('return /(?i:x)/')(), 'import': () => parsed('return im' + 'port("x")')(),
    'import source': () => parsed('return import.source("x")')(), 'import defer': () => parsed('return import.defer("x")')(), 'import meta': () => parsed('return import.meta')(),
    'with': () => parsed('with ({}) {}'), 'octal': () => parsed('return 010'), 'reserved': () => parsed('let let'), 'html comment': () => parsed('<' + '!--'),
    'base64': () => Uint8Array.fromBase64('!'), 'hex': () => Uint8Array.fromHex('x'), 'transferred': () => new ArrayBuffer(1).transfer(), 'resizable': () => new ArrayBuffer(1, { maxByteLength: 2 }).resize(9),
    'well formed': () => 'x'.isWellFormed(), 'with of': () => [1].with(9, 1), 'sorted': () => [1].toSorted(1), 'raw json': () => JSON.rawJSON('1'), 'json source': () => JSON.parse('1', (key, value, context) => context),
    'with resolvers': () => Promise.withResolvers(), 'sum': () => Math.sumPrecise([{}]), 'upsert': () => new Map().getOrInsertComputed(1, () => { throw {}; }), 'set methods': () => new Set().union({}),
    'temporal': () => new Temporal.PlainDate(1, 1, 1), 'temporal error': () => Temporal.Instant.from('x'), 'stack of disposables': () => new DisposableStack(), 'suppressed': () => new SuppressedError(1, 2), 'float16': () => new Float16Array(1), 'group': () => Object.groupBy([1], (x) => x),
    'segmenter': () => new Intl.Segmenter().segment('x')[Symbol.iterator](), 'compartment': () => new Compartment(),
  };
  for (const name of ownKeys(snippets)) attempt(name, snippets[name]);
  settle('promise', Promise.resolve(1));
  settle('async', (async () => null.x)());
  settle('any', Promise.any([Promise.reject(1)]));
  settle('async next', (async function* () { yield 1; })().next());
  settle('for await', (async () => { for await (const x of [Promise.reject(1)]); })());
  settle('sync in async', (async function* () { yield* [1]; })().next());
  settle('thenable', Promise.resolve({ then() { throw new Error('x'); } }));
  settle('await using', (async () => parsed('return (async () => { await using a = { async [Symbol.asyncDispose]() { throw 1; } }; throw 2; })()')())());
  settle('for await of nothing', (async () => { for await (const x of null); })());
  settle('async throw', (async function* () {})().throw({}));
  settle('async return', (async function* () {})().return(1));
  settle('try', (async () => Promise.try(() => { throw {}; }))());
  settle('species', (async () => Promise.all.call(1))());
  settle('from async', (async () => Array.fromAsync([1]))());
  attempt('resolvers', () => { const made = []; new Promise((yes, no) => { made.push(yes, no); }); return made[0]; });
  // What a thenable is handed by await: the two functions of a promise that is somebody's.
  attempt('await', () => { let got; (async () => { await { then(yes) { got = yes; } }; })(); return got; });
};

const drain = () => {
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { value, path, own, depth } = next;
    if (isTrusted(value)) faults.add('trusted: ' + path);
    if (!own && !isFrozen(value)) faults.add('not frozen: ' + path);
    see(getPrototypeOf(value), path + '.[[Prototype]]');
    const properties = getOwnPropertyDescriptors(value);
    for (const key of ownKeys(properties)) {
      const { value: held, get, set } = properties[key];
      const there = path + '.' + String(key);
      if (isObject(held)) own ? mine(held, there) : see(held, there);
      see(get, there + ' getter', own);
      see(set, there + ' setter', own);
      if (get !== undefined && get !== set) {
        try { see(apply(get, value, []), there + ' got'); } catch (error) { mine(error, there + ' got!'); }
      }
    }
    if (typeof value === 'function' && !own && depth === 0) {
      for (const call of [() => apply(value, undefined, []), () => apply(value, [], []), () => construct(value, [])]) {
        try {
          const result = call();
          if (isObject(result) && !seen.has(result)) {
            mine(result, path + '()');
            if (result instanceof Promise) later.push(result.then(() => {}, (error) => mine(error, path + '() rejected')));
          }
        } catch (error) { mine(error, path + '()!'); }
      }
    }
  }
};

roots();
more({ see, mine, attempt, settle });
drain();
await Promise.allSettled(later);
drain();
return ['seen ' + seen.size + ' from ' + rooted, ...faults, 'done'];
}`;
