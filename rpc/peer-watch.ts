/**
 * Finds peers that are gone and never said so, and those that stop in the middle of a message: their connection ends, each with
 * an error of its own.
 *
 * The system's keep-alive finds a machine that is gone, but not a process that was stopped or hangs, nor anybody while bytes are
 * on their way to him. So a peer that is silent is asked: by a Bootstrap, which every vat answers, if only with an
 * exception. A peer that is slow is not silent, as long as bytes come from it, or what waits for it gets less.
 *
 * It looks four times in each span and goes by what it saw, not by the clock: if this process was held up itself, what had come
 * meanwhile is read before it looks again.
 */
import { RpcError } from './error.js';
import type { Session } from './session.js';
import { clearInterval, inBackground, setInterval } from './timers.js';
import type { Flow } from './transport/flow.js';
import { untilSettled } from './until-settled.js';

export interface Patience {
  /**
   * How long a peer may be silent before it is asked, and then without an answer before it is cut, in milliseconds. Default
   * 900,000, as long as TCP itself tries to reach somebody: a program may be busy for a while.
   */
  readonly silenceMillis?: number | undefined;
  /** How long nothing more may come of a message that has begun, in milliseconds. Default 60,000. */
  readonly stallMillis?: number | undefined;
}

const SILENCE_MILLIS = 900_000;
const STALL_MILLIS = 60_000;

const LOOKS = 4;

/** Watches the peer of `session`, whose transport has this `flow`, until the session ends. */
export function watchPeer(session: Session, flow: Flow, patience: Patience = {}): void {
  const { silenceMillis = SILENCE_MILLIS, stallMillis = STALL_MILLIS } = patience;
  const cut = (code: string, message: string) =>
    session.connection.disconnected(new RpcError('disconnected', message, { code }));
  const silence = new Silence(flow, {
    ask: () => {
      const answer = session.connection.bootstrap();
      void untilSettled(answer).then(() => answer.release());
    },
    over: () =>
      cut(
        'ERR_RPC_SILENT',
        `the peer does not answer: it was silent for ${silenceMillis} ms, and asked (silenceMillis)`,
      ),
  });
  const stall = new Stall(flow, () =>
    cut(
      'ERR_RPC_STALLED',
      `the peer stopped in the middle of a message: nothing more came of it for ${stallMillis} ms (stallMillis)`,
    ),
  );
  const timers = [
    setInterval(() => silence.look(), silenceMillis / LOOKS),
    setInterval(() => stall.look(), stallMillis / LOOKS),
  ];
  timers.forEach(inBackground);
  void session.closed.then(() => timers.forEach(clearInterval));
}

class Silence {
  #received = -1;
  #passedOn = 0;
  #waited = false;
  #quiet = 0;
  #asked = false;

  constructor(
    private readonly flow: Flow,
    private readonly then: { ask(): void; over(): void },
  ) {}

  look(): void {
    const { bytesReceived, bytesPassedOn, bytesQueued } = this.flow;
    const hasSpoken = bytesReceived !== this.#received;
    // What the system took without anything having waited for it says nothing of the peer.
    const takes = this.#waited && bytesPassedOn !== this.#passedOn;
    this.#received = bytesReceived;
    this.#passedOn = bytesPassedOn;
    this.#waited = bytesQueued > 0;
    if (hasSpoken || takes) {
      this.#quiet = 0;
      this.#asked &&= !hasSpoken;
    } else if (++this.#quiet === LOOKS) {
      if (this.#asked) return this.then.over();
      this.#quiet = 0;
      this.#asked = true;
      this.then.ask();
    }
  }
}

class Stall {
  #received = -1;
  #quiet = 0;

  constructor(
    private readonly flow: Flow,
    private readonly over: () => void,
  ) {}

  look(): void {
    const { bytesReceived, isWithinMessage } = this.flow;
    if (!isWithinMessage || bytesReceived !== this.#received) this.#quiet = 0;
    else if (++this.#quiet === LOOKS) this.over();
    this.#received = bytesReceived;
  }
}
