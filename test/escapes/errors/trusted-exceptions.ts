import { escapeClass } from '../harness/escape-class.js';

const thrown = (call: string) => `try { ${call}; } catch (error) { return reaches(error); }`;

export default escapeClass({
  name: 'exceptions of the trusted side',
  from: 'CVE-2023-30547',
  rules: ['R1', 'R4'],
  out: "what is thrown leads to a constructor by which code sees Node's process",
  bare: 'vm',
  attempts: {
    'for an object that is none': thrown(`world.object('Item', 'x', 1)`),
    'for a name that is empty': thrown(`world.object('', 'x', {})`),
    'for a name that is a symbol': thrown(`world.object(Symbol(), 'x', {})`),
    'for an id that is a symbol': thrown(`world.object('Item', Symbol(), {})`),
    'for a name that throws an error of the guest': `let mine = 0;
      try { world.object({ toString() { mine++; world.object('', '', 1); } }, 'x', {}); } catch (error) { return reaches(error); }`,
    'in finally': `try { world.object('', '', {}); } catch (error) { try { throw error; } finally { return reaches(error); } }`,
    'by a proxy for a name': thrown(`world.object(new Proxy({}, {}), 'x', 2)`),
  },
});
