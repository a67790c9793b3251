/** The claim of grants: what was minted is there, what was narrowed is no wider, what was revoked is dead with everything below it, and nothing else is so. */
import { type Delegable, type Grant, SturdyRef } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';
import { type Claim, ClaimBroken, type Client, type Dice, isGone } from './claim.js';
import { COUNTED } from './counts.js';

const WORKERS = 6;
/** Restored after a start, of the living and of the dead. */
const SAMPLE = 6;

/** In the year 2096: what is narrowed is so to a time before, each to one of its own. */
const FAR = 4_000_000_000_000;

/** What was asked of the broker, and whether it said that it is so. */
type Word = 'no' | 'asked' | 'acknowledged';

interface Known {
  readonly label: string;
  readonly parent: Known | null;
  minted: 'asked' | 'acknowledged';
  revoked: Word;
  /** The expiry that it was narrowed to: the earliest that was acknowledged (0: none), and those that were asked for. */
  expires: number;
  readonly asked: Set<number>;
  id: string | null;
  /** Null where the answer was lost: there may be a grant, and nobody has its reference. */
  ref: SturdyRef | null;
}

export class GrantsClaim implements Claim {
  readonly counts = { minted: 0, narrowed: 0, revoked: 0, restored: 0, refused: 0, grantsChecked: 0 };
  readonly #known = new Map<string, Known>();
  #labels = 0;
  #narrowings = 0;

  constructor(private readonly dice: Dice) {}

  async work(client: Client, acknowledged: () => void): Promise<void> {
    await Promise.all(Array.from({ length: WORKERS }, () => this.#worker(client, acknowledged)));
  }

  async #worker(client: Client, acknowledged: () => void): Promise<never> {
    for (;;) {
      const what = this.dice(12);
      const chosen = this.#any(({ ref, revoked }) => ref !== null && revoked === 'no');
      if (chosen === null || what < 5) await this.#mint(client, what < 3 ? chosen : null);
      else if (what < 7) await this.#revoke(client, chosen);
      else if (what < 9) await this.#narrow(client, chosen);
      else await this.#restore(client, this.#any(({ ref }) => ref !== null)!);
      acknowledged();
    }
  }

  async #mint({ session, operator }: Client, parent: Known | null): Promise<void> {
    const label = `grant ${++this.#labels}`;
    const known: Known = {
      label,
      parent,
      minted: 'asked',
      revoked: 'no',
      expires: 0,
      asked: new Set(),
      id: null,
      ref: null,
    };
    this.#known.set(label, known);
    const from = parent === null ? operator : session.restore(parent.ref!, OPERATOR);
    const delegable = from.as<Delegable>(DELEGABLE);
    try {
      const { ref, grant, cap } = await delegable.attenuate({ label });
      known.ref = SturdyRef.of(ref.secret, session.address);
      known.minted = 'acknowledged';
      this.counts.minted += 1;
      const power = grant as Grant;
      known.id = (await power.info({})).info.id;
      power[Symbol.dispose]();
      cap[Symbol.dispose]();
    } catch (error) {
      if (isGone(error)) throw error;
      // Its parent was revoked in the meantime; nothing else may be in the way of it.
      if (parent === null || !this.#mayBeDead(parent)) throw error;
      if (known.minted === 'asked') this.#known.delete(label);
    } finally {
      delegable[Symbol.dispose]();
      if (from !== operator) from[Symbol.dispose]();
    }
  }

  async #narrow({ operator }: Client, known: Known): Promise<void> {
    if (known.id === null) return;
    const expires = FAR - ++this.#narrowings;
    known.asked.add(expires);
    try {
      using power = (await operator.grant({ id: known.id })).grant;
      await power.narrow({ policy: { expires: BigInt(expires) } });
      known.expires = known.expires === 0 ? expires : Math.min(known.expires, expires);
      this.counts.narrowed += 1;
    } catch (error) {
      if (isGone(error) || !this.#mayBeDead(known)) throw error;
    }
  }

  async #revoke({ operator }: Client, known: Known): Promise<void> {
    if (known.id === null) return;
    known.revoked = 'asked';
    using power = (await operator.grant({ id: known.id })).grant;
    await power.revoke({});
    known.revoked = 'acknowledged';
    this.counts.revoked += 1;
  }

  /** A grant of the operator's: what is restored tells the health of the broker. */
  async #restore({ session }: Client, known: Known): Promise<void> {
    const wasDead = this.#isDead(known);
    const object = session.restore<Client['operator']>(known.ref!, OPERATOR);
    try {
      await object.health({});
      if (wasDead) throw new ClaimBroken(`${known.label} (${known.id}) was revoked, and can be used`);
      this.counts.restored += 1;
    } catch (error) {
      if (isGone(error) || error instanceof ClaimBroken) throw error;
      if (!this.#mayBeDead(known))
        throw new ClaimBroken(
          `${known.label} (${known.id}) is alive, and is refused: ${(error as Error).message}`,
        );
      this.counts.refused += 1;
    } finally {
      object[Symbol.dispose]();
    }
  }

  async check(client: Client): Promise<void> {
    const states = new Map<string, string>();
    const { operator } = client;
    for (let after = ''; ; ) {
      const { grants } = await operator.grants({ after });
      if (grants.length === 0) break;
      after = grants.at(-1)!.id;
      for (const { id, label, state, policy } of grants) {
        // Of the first start; and those of another claim.
        if (label === 'the operator' || label.startsWith(COUNTED)) continue;
        const known = this.#known.get(label);
        if (known === undefined)
          throw new ClaimBroken(`there is a grant that nobody minted: ${label} (${id})`);
        if (states.has(label)) throw new ClaimBroken(`there are two grants ${label}`);
        if (known.id !== null && known.id !== id)
          throw new ClaimBroken(`${label} was ${known.id} and is ${id}`);
        known.id = id;
        this.#checkExpiry(known, Number(policy.expires ?? 0n));
        states.set(label, state);
      }
    }
    for (const known of this.#known.values()) this.#checkOne(known, states.get(known.label));
    const restorable = [...this.#known.values()].filter(({ ref }) => ref !== null);
    for (const dead of [false, true]) {
      const some = restorable.filter((known) => this.#isDead(known) === dead);
      for (let i = 0; i < SAMPLE && some.length > 0; i++)
        await this.#restore(client, some[this.dice(some.length)]!);
    }
  }

  /** Compares what is there with what was said; what was asked and not answered is what it turned out to be, from now on. */
  #checkOne(known: Known, state: string | undefined): void {
    const { label, id } = known;
    this.counts.grantsChecked += 1;
    if (state === undefined) {
      if (known.minted === 'acknowledged')
        throw new ClaimBroken(`${label} (${id}) was minted, and is not there`);
      this.#known.delete(label);
      return;
    }
    known.minted = 'acknowledged';
    if (state === 'live' && this.#isDead(known))
      throw new ClaimBroken(`${label} (${id}) was revoked, and is alive again`);
    if (state !== 'live' && !this.#mayBeDead(known))
      throw new ClaimBroken(`${label} (${id}) is ${state}, and nobody revoked it`);
    if (known.revoked === 'asked' && state === 'live') known.revoked = 'no';
    if (known.revoked === 'asked' && !this.#mayBeDead(known.parent)) known.revoked = 'acknowledged';
  }

  /** As #checkOne. */
  #checkExpiry(known: Known, expires: number): void {
    const { label, id, asked } = known;
    if (known.expires !== 0 && (expires === 0 || expires > known.expires))
      throw new ClaimBroken(`${label} (${id}) was narrowed to ${known.expires}, and has ${expires}`);
    if (expires !== known.expires && !asked.has(expires))
      throw new ClaimBroken(`${label} (${id}) has ${expires}, and nobody narrowed it to that`);
    known.expires = expires;
    asked.clear();
  }

  #isDead(known: Known | null): boolean {
    return known !== null && (known.revoked === 'acknowledged' || this.#isDead(known.parent));
  }

  #mayBeDead(known: Known | null): boolean {
    return known !== null && (known.revoked !== 'no' || this.#mayBeDead(known.parent));
  }

  #any(is: (known: Known) => boolean): Known | null {
    const some = [...this.#known.values()].filter(is);
    return some.length === 0 ? null : some[this.dice(some.length)]!;
  }
}

const OPERATOR = sturdySchema().interface('Operator');
const DELEGABLE = sturdySchema().interface('Delegable');
