import { escapeClass } from '../harness/escape-class.js';

/** Walks whatever can be reached by property and prototype, getters included, nearest first, until it finds the process. */
const WALK = `const walk = (...roots) => {
  const seen = new Set(); const queue = [...roots];
  for (let next = 0; next < queue.length && seen.size < 30000; next++) {
    const it = queue[next];
    if ((typeof it !== 'object' && typeof it !== 'function') || it === null || seen.has(it)) continue;
    seen.add(it);
    if (it instanceof Promise) Promise.prototype.then.call(it, () => {}, () => {});
    try {
      queue.push(Reflect.getPrototypeOf(it));
      for (const key of Reflect.ownKeys(it)) { try { const found = it[key]; if (isProcess(found)) return true; queue.push(found); } catch {} }
    } catch {}
  }
  return false;
};`;

export default escapeClass({
  name: 'walking down from a prototype',
  from: "Python: ''.__class__.__mro__[1].__subclasses__()",
  rules: ['R1', 'R5'],
  out: "Node's process is found by nothing but properties and prototypes",
  attempts: {
    'from the global object': `${WALK} return walk(globalThis);`,
    'from what this is': `${WALK} return walk((function () { return this; })());`,
    'from a text, by what makes functions': `${WALK} return walk(''.constructor.constructor('return this')());`,
    'from what was endowed': {
      bare: 'vm',
      body: `${WALK} return walk(world.object.constructor('return this')(), world, self);`,
    },
    'from an error of the trusted side': {
      bare: 'vm',
      body: `${WALK} try { await world.grants.log.write(null); } catch (error) { return walk(error.constructor.constructor('return globalThis')(), error); }`,
    },
  },
});
