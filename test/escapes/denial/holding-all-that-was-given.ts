import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'holding everything that was ever given',
  from: 'Cap’n Proto: what is held is released by who holds it',
  rules: ['R7', 'R9'],
  attempts: {
    'callbacks of a client': {
      async drive({ main }) {
        await main['evaluate']({
          source: `const kept = []; self.tell = ({ listener }) => { kept.push(listener.dup()); return { heard: '' }; }; return ''`,
        });
        const listener = () => ({ heard: () => ({ answer: '' }) });
        for (let batch = 0; batch < 40; batch++) {
          const calls = Array.from({ length: 500 }, () => main['tell']({ listener: listener(), text: '' }));
          const outcomes = await Promise.allSettled(calls);
          const refused = outcomes.find(({ status }) => status === 'rejected') as
            | PromiseRejectedResult
            | undefined;
          if (refused !== undefined) return (refused.reason as Error).message;
        }
        return 'out';
      },
      told: /limit|overloaded|as many/,
      bare: 'gets',
    },
  },
});
