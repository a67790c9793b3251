import { escapeClass } from '../harness/escape-class.js';

const files = `(sites) => typeof sites[0].getFileName === 'function' && sites.some((site) => typeof site.getFunctionName === 'function')`;

export default escapeClass({
  name: 'Error.prepareStackTrace',
  from: 'CVE-2022-36067',
  rules: ['R1'],
  out: 'a function of the guest is handed CallSites, which lead to functions on the stack',
  attempts: {
    'by assignment': `Error.prepareStackTrace = (_, sites) => sites; return (${files})(new Error().stack);`,
    'by a definition': `Object.defineProperty(Error, 'prepareStackTrace', { value: (_, sites) => sites }); return (${files})(new Error().stack);`,
    'on another global Error': `globalThis.Error = { prepareStackTrace: (_, sites) => sites };
      try { null.x; } catch (error) { error.constructor.__proto__.prepareStackTrace = (_, sites) => sites; try { null.x; } catch (error) { return (${files})(error.stack); } }`,
    'on the constructor behind a native error': `let it; try { null.x; } catch (error) { it = Object.getPrototypeOf(error.constructor); }
      it.prepareStackTrace = (_, sites) => sites; return (${files})(new it().stack);`,
    'for an object of the guest': `Error.prepareStackTrace = (_, sites) => sites; const it = {}; Error.captureStackTrace(it); return (${files})(it.stack);`,
  },
});
