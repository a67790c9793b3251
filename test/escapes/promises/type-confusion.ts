import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'methods on what they are not for',
  from: 'Native handles and private state: a method is called on another object',
  rules: ['R5', 'R9'],
  out: 'a method of a stub works on an object that is no stub, or on another stub',
  attempts: {
    'a method of one on another': `await world.grants.log.write.call(world.grants.random, { level: 'info', message: 'x' }); return true;`,
    'a method on an object that inherits from a stub': `const it = { __proto__: Object.getPrototypeOf(world.grants.log) }; await it.write({ level: 'info', message: 'x' }); return true;`,
    'a method on a proxy of a stub': `const it = new Proxy({}, { getPrototypeOf: () => Object.getPrototypeOf(world.grants.log) }); await world.grants.log.write.call(it, { level: 'info', message: 'x' }); return true;`,
    'a method on nothing': `await world.grants.log.write.call(undefined, { level: 'info', message: 'x' }); return true;`,
    'a constructor of stubs': `const it = Reflect.construct(world.grants.log.constructor, []); await it.write({ level: 'info', message: 'x' }); return true;`,
  },
});
