import { builtin, escapeClass } from '../harness/escape-class.js';

const known = builtin('process.getBuiltinModule');

export default escapeClass({
  name: 'code from a cache',
  from: 'V8: code that was compiled elsewhere is believed',
  rules: ['R2', 'R8'],
  out: 'the thread takes compiled code for a text, or writes some where another finds it',
  attempts: {
    'as the data of a script': {
      needs: known,
      body: `const { Script } = process.getBuiltinModule('node:vm');
        const cachedData = new Script('7').createCachedData();
        return new Script('7', { cachedData }).cachedDataRejected === false;`,
    },
    'as a startup snapshot': {
      needs: known,
      body: `const v8 = process.getBuiltinModule('node:v8'); return typeof v8.startupSnapshot.addSerializeCallback === 'function';`,
    },
    'as a flag of the engine': {
      needs: known,
      body: `process.getBuiltinModule('node:v8').setFlagsFromString('--no-lazy'); return true;`,
    },
  },
});
