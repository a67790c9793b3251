/**
 * The claim of counts: through a grant of so many calls, no more calls are ever made than that, in however many lives of the broker;
 * what is said to be left never includes a call that was made; and what is used up stays used up.
 */
import { type Delegable, type Operator, SturdyRef } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';
import { type Claim, ClaimBroken, type Client, type Dice } from './claim.js';

/** With what the labels of its grants begin: other claims leave them alone. */
export const COUNTED = 'counted ';

const WORKERS = 3;
/** So many are used at a time. Those that are used up are checked, a sample of them, and a new one takes the place. */
const AT_A_TIME = 3;
const SAMPLE = 3;

interface Counted {
  readonly label: string;
  readonly id: string;
  readonly ref: SturdyRef;
  readonly limit: number;
  /** Calls that were answered. Those that were lost on the way may have been made as well. */
  made: number;
  usedUp: boolean;
}

export class CountsClaim implements Claim {
  readonly counts = { counted: 0, usedUp: 0, countsChecked: 0 };
  readonly #known: Counted[] = [];
  #labels = 0;

  constructor(private readonly dice: Dice) {}

  async work(client: Client, acknowledged: () => void): Promise<void> {
    await Promise.all(Array.from({ length: WORKERS }, () => this.#worker(client, acknowledged)));
  }

  async #worker(client: Client, acknowledged: () => void): Promise<never> {
    for (;;) {
      const usable = this.#known.filter(({ usedUp }) => !usedUp);
      if (usable.length < AT_A_TIME) await this.#mint(client);
      else await this.#call(client, usable[this.dice(usable.length)]!, 1 + this.dice(8));
      acknowledged();
    }
  }

  async #mint({ session, operator }: Client): Promise<void> {
    // Below 128 there are no blocks, from there on there are.
    const limit = 1 + this.dice(this.dice(2) === 0 ? 40 : 500);
    const label = `${COUNTED}${++this.#labels}`;
    using delegable = operator.as<Delegable>(DELEGABLE);
    const { ref, grant, cap } = await delegable.attenuate({ label, policy: { maxCalls: BigInt(limit) } });
    using _cap = cap;
    using power = grant;
    const { id } = (await power.info({})).info;
    this.#known.push({
      label,
      id,
      limit,
      ref: SturdyRef.of(ref.secret, session.address),
      made: 0,
      usedUp: false,
    });
  }

  /** So many at once. */
  async #call({ session }: Client, counted: Counted, calls: number): Promise<void> {
    const { id, label, ref, limit } = counted;
    const wasUsedUp = counted.usedUp;
    using object = session.restore<Operator>(ref, OPERATOR);
    const outcomes = await Promise.allSettled(Array.from({ length: calls }, () => object.health({})));
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') {
        counted.made += 1;
        this.counts.counted += 1;
        if (wasUsedUp) throw new ClaimBroken(`${label} (${id}) was used up, and a call was made through it`);
      } else if (/ calls are used up /.test((outcome.reason as Error).message)) {
        if (!counted.usedUp) this.counts.usedUp += 1;
        counted.usedUp = true;
      }
    }
    if (counted.made > limit)
      throw new ClaimBroken(`${label} (${id}) allows ${limit} calls, and ${counted.made} were made`);
    const failed = outcomes.find(
      (outcome) => outcome.status === 'rejected' && !/ calls are used up /.test(outcome.reason.message),
    );
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async check(client: Client): Promise<void> {
    const { operator } = client;
    for (const { id, label, limit, made } of this.#known) {
      using power = (await operator.grant({ id })).grant;
      const { callsLeft } = (await power.info({})).info;
      if (callsLeft > BigInt(limit - made))
        throw new ClaimBroken(
          `${label} (${id}): ${made} of ${limit} calls were made, and ${callsLeft} are left`,
        );
      this.counts.countsChecked += 1;
    }
    const usedUp = this.#known.filter((each) => each.usedUp);
    for (let i = 0; i < SAMPLE && usedUp.length > 0; i++)
      await this.#call(client, usedUp[this.dice(usedUp.length)]!, 1);
  }
}

const OPERATOR = sturdySchema().interface('Operator');
const DELEGABLE = sturdySchema().interface('Delegable');
