import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'stack overflow in a callback',
  from: 'Node: what a callback throws is thrown in who called it',
  rules: ['R4', 'R6'],
  attempts: {
    'of a promise': {
      body: `Promise.resolve().then(() => { const dive = () => dive(); dive(); }); return false;`,
      told: /^held/,
      bare: 'dies',
    },
    'that another domain calls': {
      body: `const dive = () => dive(); world.grants.neighbour.tell({ text: 'x', listener: { heard: () => dive() } }); return false;`,
      told: /^held/,
      bare: 'dies',
    },
    'of a getter that the codec reads': {
      body: `const dive = () => dive(); world.grants.neighbour.echo({ get text() { return dive(); } }); return false;`,
      told: /^held|call stack/,
      bare: 'dies',
    },
  },
});
