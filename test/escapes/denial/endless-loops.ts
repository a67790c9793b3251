import { denialClass } from '../harness/denial-class.js';

const stopped = /^it ended: a turn took longer than its limit/;

export default denialClass({
  name: 'endless loops',
  from: 'JavaScript',
  rules: ['R6', 'R7'],
  attempts: {
    'of nothing': { body: `for (;;) {}`, stopped, bare: 'hangs' },
    'of work': { body: `let x = 0; while (true) x = (x + 1) % 7;`, stopped, bare: 'hangs' },
    'in a getter that the codec reads': {
      body: `await world.grants.neighbour.echo({ get text() { for (;;) {} } });`,
      stopped,
      bare: 'hangs',
    },
    'behind a first turn': {
      body: `await world.grants.neighbour.echo({ text: 'x' }); for (;;) {}`,
      stopped,
      bare: 'hangs',
    },
  },
});
