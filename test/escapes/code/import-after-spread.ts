import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'import after a spread',
  from: 'CVE-2023-39532',
  rules: ['R2'],
  out: 'text that loads a module is taken for a program, and loads it',
  attempts: {
    'in an object': `const load = (0, eval)('() => ({ ...import("node:process") })'); return typeof load() === 'object';`,
    'in an array, inside another': `return (await (0, eval)('[...[import("node:process")]][0]')).pid > 0;`,
    'in arguments': `const load = (0, eval)('async (f) => { try { f(...import("node:process")) } catch { return true } }'); return await load(() => {});`,
    'with a comment between': `const load = (0, eval)('() => ({ .../**/import/**/("node:process") })'); return typeof load() === 'object';`,
    'in a function made of text': `return typeof new Function('return { ...import("node:process") }')() === 'object';`,
  },
});
