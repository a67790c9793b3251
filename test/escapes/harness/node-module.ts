/** Every way that code without a wall has to a module of Node's own. */

import { type Attempt, builtin } from './escape-class.js';

/** Attempts to get at the module `name`; `proof` is an expression of `it` that is true of the module and nothing else. */
export function waysTo(name: string, proof: string): Readonly<Record<string, Attempt>> {
  const quoted = `'node:${name}'`;
  const known = builtin('process.getBuiltinModule');
  return {
    'by import': `const it = await import(${quoted}); return ${proof};`,
    'by an import in text that is evaluated': `const it = await (0, eval)("import(${quoted})"); return ${proof};`,
    'by an import in a function that is made of text': `const it = await new Function("return import(${quoted})")(); return ${proof};`,
    'by process': { needs: known, body: `const it = process.getBuiltinModule(${quoted}); return ${proof};` },
    'by a loader that process gives': {
      needs: known,
      body: `const it = process.getBuiltinModule('node:module').createRequire('/x.js')(${quoted}); return ${proof};`,
    },
    'by the constructor of what was endowed': {
      bare: 'vm',
      needs: known,
      body: `const it = world.object.constructor('return process')().getBuiltinModule(${quoted}); return ${proof};`,
    },
  };
}
