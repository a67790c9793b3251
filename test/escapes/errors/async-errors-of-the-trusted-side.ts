import { escapeClass } from '../harness/escape-class.js';

const rejected = (call: string) => `return await ${call}.then(() => false, (error) => reaches(error));`;

export default escapeClass({
  name: 'asynchronous errors of the trusted side',
  from: 'CVE-2023-29017',
  rules: ['R1', 'R4'],
  out: "a rejection carries an error from whose constructor code is made that sees Node's process",
  bare: 'vm',
  attempts: {
    'for params that are no object': rejected(`world.grants.neighbour.tell(1)`),
    'for params that are null': rejected(`world.grants.log.write(null)`),
    'for a callback that is none': rejected(`world.grants.neighbour.tell({ listener: 1, text: 'x' })`),
    'for a callback that is missing': rejected(`world.grants.neighbour.tell({ text: 'x' })`),
    'for an object that is null': rejected(`world.grants.neighbour.tell({ listener: null })`),
    'for a symbol': rejected(`world.grants.log.write({ level: 'info', message: Symbol() })`),
    'for an own object that is none': `return await world.own().then((own) => reaches(own), (error) => reaches(error));`,
    'caught by await': `try { await world.grants.log.write(null); } catch (error) { return reaches(error); }`,
  },
});
