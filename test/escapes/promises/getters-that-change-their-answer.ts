import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'getters that answer twice differently',
  from: 'What is checked is not what is used: time of check, time of use',
  rules: ['R4'],
  out: 'a value of the guest is read more than once by who checks and who uses it',
  attempts: {
    'a text': `let reads = 0; await world.grants.neighbour.echo({ get text() { return reads++ === 0 ? 'checked' : 'used'; } }); return reads > 1;`,
    'a text of a callback': `let reads = 0;
      const answer = { get answer() { reads++; return 'x'; } };
      await world.grants.neighbour.tell({ text: 'x', listener: { heard: async () => { await world.grants.neighbour.echo({ get text() { return reads++ === 0 ? 'x' : 'y'; } }); return answer; } } });
      return reads > 2;`,
    'what was checked': `let reads = 0; const { text } = await world.grants.neighbour.echo({ get text() { return reads++ === 0 ? 'checked' : 'used'; } }); return text === 'used';`,
  },
});
