import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'native addons',
  from: 'Node: process.dlopen',
  rules: ['R8'],
  out: 'a shared library is asked for, and the system says that it is not there',
  attempts: {
    'by process': `try { process.dlopen({ exports: {} }, '/nowhere.node'); } catch (error) { return error.code === 'ERR_DLOPEN_FAILED'; }`,
    'by the global object': `try { globalThis['process']['dlopen']({ exports: {} }, '/nowhere.node'); } catch (error) { return error.code === 'ERR_DLOPEN_FAILED'; }`,
    'by the constructor of what was endowed': {
      bare: 'vm',
      body: `const { dlopen } = world.object.constructor('return process')();
        try { dlopen({ exports: {} }, '/nowhere.node'); } catch (error) { return error.code === 'ERR_DLOPEN_FAILED'; }`,
    },
  },
});
