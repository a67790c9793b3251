import { randomBytes } from 'node:crypto';
import { sturdySchema } from 'sturdy/schema';
import { type DrivenAttempt, escapeClass } from '../harness/escape-class.js';

const GUESSES = 64;

/** What a table gives that numbers what it holds: the first guess is right. */
const numbered = new Map([[1, 'what somebody else was given']]);

function guessing(guess: (index: number, known: Uint8Array) => Uint8Array): DrivenAttempt {
  return {
    async behind(wall) {
      const client = await wall.running.connect();
      let held = '';
      const { ref } = await wall.operator.mint({ domain: 'neighbour', object: '' });
      for (let index = 0; index < GUESSES; index++) {
        const secret = guess(index, ref.secret as Uint8Array);
        try {
          await client.restore(secret, sturdySchema().interface('Log'));
          return 'out';
        } catch (error) {
          held = (error as Error).message;
        }
      }
      return held;
    },
    async without() {
      for (let index = 0; index < GUESSES; index++) if (numbered.has(index)) return true;
      return false;
    },
  };
}

const changed = (bytes: Uint8Array, at: number, by: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at % copy.length]! ^= by;
  return copy;
};

export default escapeClass({
  name: 'ids and secrets guessed',
  from: 'Capabilities: a name that can be guessed is no capability',
  rules: ['R9'],
  out: 'a reference that nobody was given restores to something',
  attempts: {
    'random ones': guessing(() => Uint8Array.from([1, ...randomBytes(32)])),
    'small numbers': guessing((index) => Uint8Array.from({ length: 33 }, (_, at) => (at === 32 ? index : 0))),
    'neighbours of a good one': guessing((index, known) => changed(known, index, 1)),
    'a good one, shortened': guessing((index, known) => known.slice(0, known.length - 1 - (index % 32))),
    'a good one, with more behind it': guessing((index, known) => Uint8Array.from([...known, index])),
  },
});
