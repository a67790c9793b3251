import { asDelegable } from '../../broker/running.js';
import { denialClass } from '../harness/denial-class.js';

export default denialClass({
  name: 'floods of references',
  from: 'Each reference that is minted is a record on disk',
  rules: ['R7', 'R9'],
  attempts: {
    'minted from one': {
      async drive({ main }) {
        const from = asDelegable(main);
        const minted = Array.from({ length: 5000 }, () => from['attenuate']({ policy: {} }));
        const outcomes = await Promise.allSettled(minted);
        const refused = outcomes.find(({ status }) => status === 'rejected') as
          | PromiseRejectedResult
          | undefined;
        return refused === undefined ? 'out' : (refused.reason as Error).message;
      },
      told: /grants a second are minted|in flight|limit/,
      bare: 'gets',
    },
  },
});
