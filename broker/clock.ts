/**
 * The time by which the broker decides: whether a grant has expired, how fast may be minted, whether a domain that failed may
 * be tried again, what its Clock power says. One for a broker, given to it where it is started; whoever tests it gives one
 * that can be set. How long something may take (a start, a turn, an answer) is not for it to say.
 */

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

/** When the time of day was asked for last, and what it was. */
let asked = Number.NEGATIVE_INFINITY;
let told = 0;

export const SYSTEM_CLOCK: Clock = {
  /** At most a millisecond late: the time of day takes several times as long to ask for as how long ago that was. */
  now() {
    const now = performance.now();
    // Where that goes back, it has begun from another time.
    if (now - asked >= 1 || now < asked) {
      asked = now;
      told = Date.now();
    }
    return told;
  },
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
