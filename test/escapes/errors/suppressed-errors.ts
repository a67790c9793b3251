import { escapeClass, syntax } from '../harness/escape-class.js';

const using = syntax('`using`', '{ using a = null; }');
const suppressed = `let it; try { new Function('{ using a = { [Symbol.dispose]() { throw 1; } }; throw 2; }')(); } catch (error) { it = error; }`;

export default escapeClass({
  name: 'errors that `using` makes',
  from: 'JavaScript: SuppressedError, which syntax alone brings into being',
  rules: ['R1'],
  out: 'the error leads to a constructor that nobody has tamed',
  attempts: {
    'its constructor': { needs: using, body: `${suppressed} return reaches(it);` },
    'its prototype can be changed': {
      needs: using,
      body: `${suppressed} Object.getPrototypeOf(it).mine = 1; return it.mine === 1;`,
    },
    'what its constructor inherits from': {
      needs: using,
      body: `${suppressed} const at = {}; Object.getPrototypeOf(it.constructor).captureStackTrace(at); return /at /.test(at.stack);`,
    },
    'its own stack': { needs: using, body: `${suppressed} return /at /.test(it.stack);` },
    'of an asynchronous one': {
      needs: using,
      body: `let it; try { await new Function('return (async () => { await using a = { async [Symbol.asyncDispose]() { throw 1; } }; throw 2; })()')(); } catch (error) { it = error; }
        Object.getPrototypeOf(it).mine = 1; return it.mine === 1 && it.error === 1;`,
    },
  },
});
