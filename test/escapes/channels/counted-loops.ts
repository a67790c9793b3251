import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'clocks made of counting',
  from: 'What is slow is timed by how often something quick is done meanwhile',
  rules: ['R3', 'R5'],
  out: 'counting goes on while an answer is under way, so that the count tells its time to less than a turn',
  attempts: {
    'turns of the microtask queue': `let answered = false; let count = 0;
      const timed = world.grants.neighbour.echo({ text: 'x' }).then(() => { answered = true; });
      while (!answered && count < 20000) { count++; await null; }
      const counted = answered && count > 0; await timed; return counted;`,
    'turns of a generator': `let answered = false; let count = 0;
      const ticks = (async function* () { for (;;) yield ++count; })();
      const timed = world.grants.neighbour.echo({ text: 'x' }).then(() => { answered = true; });
      for await (const tick of ticks) if (answered || tick > 20000) break;
      const counted = answered; await timed; return counted;`,
    'turns of another thread': `const { Worker } = process.getBuiltinModule('node:worker_threads');
      const shared = new Int32Array(new SharedArrayBuffer(4));
      const other = new Worker('const { workerData } = require("node:worker_threads"); for (;;) Atomics.add(workerData, 0, 1);', { eval: true, workerData: shared });
      await new Promise((resolve) => other.once('online', resolve));
      while (Atomics.load(shared, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await other.terminate(); return true;`,
    'a timer': `let count = 0; const timer = setInterval(() => { count++; }, 1); await new Promise((resolve) => setTimeout(resolve, 20)); clearInterval(timer); return count > 0;`,
  },
});
