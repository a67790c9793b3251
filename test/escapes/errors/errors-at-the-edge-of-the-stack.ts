import { escapeClass } from '../harness/escape-class.js';

const deep = (call: string) => `
  const caught = [];
  const dive = () => {
    try { dive(); } catch (error) { caught.push(error); }
    if (caught.length < 200) try { ${call}; } catch (error) { caught.push(error); }
  };
  dive();
  return caught.some((error) => { try { return reaches(error); } catch { return false; } });`;

export default escapeClass({
  name: 'errors born in a trusted frame at the edge of the stack',
  from: 'vm2: a RangeError of the other realm',
  rules: ['R1', 'R4'],
  out: "an error is of the trusted realm, and code made by it sees Node's process",
  bare: 'vm',
  attempts: {
    'of a function that fails': deep(`world.object('Item', 'x', 1)`),
    'of a function that checks a name': deep(`world.object('', 'x', {})`),
    'of a function that calls back': deep(
      `world.object({ toString() { const again = () => again(); return again(); } }, 'x', world.object('', '', {}))`,
    ),
  },
});
