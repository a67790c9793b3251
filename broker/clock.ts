/**
 * The time by which the broker decides: whether a grant has expired, how fast may be minted, whether a domain that failed may
 * be tried again, what its Clock power says. One for a broker, given to it where it is started; whoever tests it gives one
 * that can be set. How long something may take (a start, a turn, an answer) is not for it to say.
 */
import { soon } from '../rpc/soon.js';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Calls `action` once, when so many milliseconds have passed, at the earliest. Returns the way to give it up. Keeps no
   * process alive.
   */
  after(millis: number, action: () => void): () => void;
}

/** The longest time that a timer of Node's can be set to, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * What `ask` says, asked once in each turn: to ask the system for every call of a deep pipeline costs more than to do what is
 * decided by that. It is as late as a turn is long.
 */
function oncePerTurn(ask: () => number): () => number {
  let told: number | null = null;
  const forget = () => {
    told = null;
  };
  return () => {
    if (told === null) {
      const now = ask();
      void soon.then(forget);
      told = now;
    }
    return told;
  };
}

export const SYSTEM_CLOCK: Clock = {
  now: oncePerTurn(() => Date.now()),
  after(millis, action) {
    let timer: NodeJS.Timeout;
    const wait = (remaining: number): void => {
      const next = Math.min(remaining, LONGEST_TIMER);
      timer = setTimeout(() => (next < remaining ? wait(remaining - next) : action()), Math.max(0, next));
      timer.unref();
    };
    wait(millis);
    return () => clearTimeout(timer);
  },
};
