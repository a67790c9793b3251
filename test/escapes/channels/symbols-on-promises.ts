import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'what Node hangs on promises',
  from: 'Node: async_hooks marks promises with symbols of its own',
  rules: ['R1', 'R8'],
  out: 'a promise has a property of the trusted side',
  attempts: {
    'on a promise of the guest': `try { process.getBuiltinModule('node:async_hooks').createHook({ init() {}, before() {}, after() {} }).enable(); } catch {}
      const it = Promise.resolve(1).then(() => {}); await it; return Reflect.ownKeys(it).length > 0;`,
    'on a promise of an asynchronous function': `try { process.getBuiltinModule('node:async_hooks').createHook({ init() {}, before() {}, after() {} }).enable(); } catch {}
      const it = (async () => {})(); await it; return Reflect.ownKeys(it).length > 0;`,
    'the context of calls': `const { AsyncLocalStorage } = process.getBuiltinModule('node:async_hooks'); const it = new AsyncLocalStorage(); return it.run(1, () => it.getStore()) === 1;`,
  },
});
