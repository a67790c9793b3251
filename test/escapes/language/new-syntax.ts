import { escapeClass, syntax } from '../harness/escape-class.js';

export default escapeClass({
  name: 'new syntax',
  from: 'Python: except*, which reached code that looked at `except` only',
  rules: ['R1', 'R2'],
  out: "what the syntax makes leads to Node's process, or carries a change to everybody",
  attempts: {
    'blocks of classes': `let it; class A { static { it = this; } } return isProcess(it.constructor('return process')());`,
    'private names': `let it; class A { #x; static y(o) { return o.#x; } } try { A.y({}); } catch (error) { it = error; } return isProcess(it.constructor.constructor('return process')());`,
    'accessors of private names': `class A { static #x() {} static y() { return this.#x; } } return isProcess(A.y().constructor('return process')());`,
    'for await': `let it; try { for await (const x of null) void x; } catch (error) { it = error; } return isProcess(it.constructor.constructor('return process')());`,
    'iterators of async from sync': `let it; async function* g() { yield* { [Symbol.iterator]: () => ({ next() { it = this; return { done: true }; } }) }; } await g().next(); return isProcess(it.constructor.constructor('return process')());`,
    'optional calls': `return isProcess(Object?.constructor?.('return process')?.());`,
    'tags of templates': `let it; ((strings) => { it = strings.raw; })\`x\`; return isProcess(it.constructor.constructor('return process')());`,
    'groups of matches': {
      needs: syntax('the flag v', '/[a--b]/v'),
      body: `const it = (0, eval)('/(?<x>x)/vd').exec('x'); return isProcess(it.indices.constructor.constructor('return process')());`,
    },
    'modifiers of patterns': {
      needs: syntax('(?i:x)', 'return /(?i:x)/'),
      body: `return isProcess((0, eval)('/(?i:x)/').constructor.constructor('return process')());`,
    },
    using: {
      needs: syntax('`using`', '{ using a = null; }'),
      body: `let it; new Function('see', '{ using a = { [Symbol.dispose]() { see(this); } }; }')((that) => { it = that; }); return isProcess(it.constructor.constructor('return process')());`,
    },
    'the symbol of using': {
      needs: syntax('`using`', '{ using a = null; }'),
      body: `Object.defineProperty(Object.prototype, Symbol.dispose, { value() {} }); new Function('{ using a = {}; }')(); return true;`,
    },
  },
});
