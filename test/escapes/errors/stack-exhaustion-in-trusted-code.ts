import { escapeClass } from '../harness/escape-class.js';

/** Calls at every depth near the edge; those that went through have to be answered, and rightly. */
const calls = (call: string) => `
  const pending = [];
  const dive = () => {
    try { dive(); } catch {}
    if (pending.length < 50) try { pending.push(${call}); } catch {}
  };
  dive();
  for (const outcome of await Promise.allSettled(pending)) {
    if (outcome.status === 'rejected' && reaches(outcome.reason)) return true;
    if (outcome.status === 'fulfilled' && isProcess(outcome.value.constructor.constructor('return process')())) return true;
  }
  return false;`;

export default escapeClass({
  name: 'stack exhaustion inside of trusted code',
  from: 'JavaScript: any call may be the one for which there is no stack',
  rules: ['R1', 'R4'],
  out: 'trusted code that was left half done gives what is not to be given, or its answers are no good afterwards',
  bare: 'vm',
  attempts: {
    'of a call': calls(`world.grants.neighbour.echo({ text: 'x' })`),
    'of a call with a callback': calls(
      `world.grants.neighbour.tell({ text: 'x', listener: { heard: () => ({ answer: 'x' }) } })`,
    ),
    'of a look at what is its own': calls(`world.own(world.grants.log)`),
    'of a call that is refused': calls(`world.grants.neighbour.tell({ text: 'x', listener: null })`),
  },
});
