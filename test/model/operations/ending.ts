/** Time, and what ends: connections, domains, their sleep, and the broker, which is stopped or killed. */
import type { AnyStub } from '../../broker/running.js';
import type { Random } from '../../hostile/fuzz.js';
import { SLEEPER } from '../domains.js';
import { layers } from '../reference/capability.js';
import type { Grant } from '../reference/grant.js';
import { EVERYTHING } from '../reference/policy.js';
import { DOMAINS, type Trial } from '../trial.js';
import { callOn, holdOn } from './calling.js';
import { checkListing, checkNothingLeft } from './checking.js';
import { attenuateHeld, granted, holdsGranted } from './minting.js';
import { anyGrant, anyHeld, type Operation, targets } from './operation.js';
import { restoreOf, restoreSome } from './restoring.js';

/** Longer than a domain has to run to have recovered from its failures. In milliseconds. */
const RECOVERY = 11_000;

/** To the moment at which a call in flight is to end, if there is one; or on by some seconds. */
export const expire: Operation = {
  name: 'expire',
  weight: 15,
  async run(trial, choose) {
    const { now } = trial.reference;
    const ends = trial.inFlight
      .flatMap(({ held }) => layers(held.cap).flatMap(({ through }) => through.grant.lineage))
      .map(({ policy }) => policy.expires - now)
      .filter((millis) => millis > 0);
    await advance(trial, ends.length > 0 ? Math.min(...ends) : 1000 * (1 + choose.below(20)));
  },
};

async function advance(trial: Trial, millis: number): Promise<void> {
  await trial.system.advance(millis);
  trial.reference.now = trial.system.now;
  trial.reference.endExpired();
  await trial.checkInFlight();
}

/** A call in flight ends when a grant that it goes through expires, the one that it was made through or one above it. */
export const expireUnderCall: Operation = {
  name: 'expire under a call',
  weight: 12,
  can: holdsGranted,
  async run(trial, choose) {
    const { reference } = trial;
    const held = anyHeld(reference, choose, granted(reference));
    const millis = 1000 * (1 + choose.below(20));
    const policy = { ...EVERYTHING, expires: reference.now + millis };
    const child = await attenuateHeld(trial, held, policy);
    const below = child !== null && choose.chance(2) ? await attenuateHeld(trial, child, EVERYTHING) : child;
    if (below === null) return;
    await holdOn(trial, below);
    await advance(trial, millis);
    await callOn(trial, below, 'read');
  },
};

export const disconnect: Operation = {
  name: 'disconnect',
  weight: 6,
  async run(trial, choose) {
    await trial.leave(choose.pick([...trial.reference.clients.values()]));
    await trial.connect();
  },
};

/** Lets the domain that may sleep do so, and calls what is held of it, which wakes it. */
export const sleepAndWake: Operation = {
  name: 'sleep and wake',
  weight: 4,
  async run(trial, choose) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    const before = await trial.info(SLEEPER);
    if (before.state !== 'asleep') return;
    trial.note(`${SLEEPER} sleeps`);
    const { reference } = trial;
    const held = targets(reference, SLEEPER).filter(
      ({ cap }) => reference.expects(cap, 'read').refusals.size === 0,
    );
    if (held.length > 0) await callOn(trial, choose.pick(held), 'read');
    using main = await trial.main(SLEEPER);
    await main.audit({});
    const after = await trial.info(SLEEPER);
    // It may have slept again in between.
    if (after.wakes <= before.wakes) trial.fault(`${SLEEPER} slept, answered, and was not woken`);
  },
};

/** The host of a domain is killed. */
export const crash: Operation = {
  name: 'crash a domain',
  weight: 2,
  async run(trial, choose) {
    const domain = choose.pick(DOMAINS);
    await advance(trial, RECOVERY);
    const { hostPid } = await trial.info(domain);
    if (hostPid === 0) return;
    await trial.look();
    try {
      process.kill(hostPid, 'SIGKILL');
    } catch {
      // It went to sleep just now.
    }
    await trial.until(`${domain} has crashed`, async () => (await trial.info(domain)).hostPid !== hostPid);
    trial.note(`${domain} crashed`);
    trial.reference.ended(domain);
    await trial.checkInFlight();
  },
};

export const stopDomain: Operation = {
  name: 'stop a domain',
  weight: 2,
  async run(trial, choose) {
    const domain = choose.pick(DOMAINS);
    await trial.operator.stop!({ domain });
    trial.reference.ended(domain, { stopped: true });
    await trial.checkInFlight();
  },
};

/** Starts the broker that has ended, and holds what there is after that against what was acknowledged before. */
async function startAgain(trial: Trial, choose: Random, unacknowledged?: Unacknowledged): Promise<void> {
  await trial.system.start();
  await trial.connectAll();
  if (unacknowledged !== undefined) await settle(trial, choose, unacknowledged);
  await checkListing(trial);
  await restoreSome(trial, choose);
}

export const restart: Operation = {
  name: 'restart',
  weight: 2,
  async run(trial, choose) {
    await checkNothingLeft(trial);
    await trial.look();
    await trial.system.stop();
    await trial.leaveAll();
    await startAgain(trial, choose);
  },
};

export const kill: Operation = {
  name: 'kill -9',
  weight: 2,
  async run(trial, choose) {
    await trial.system.kill();
    await trial.leaveAll();
    await startAgain(trial, choose);
  },
};

/** Kills the broker while mints and revocations are under way. */
export const killAmid: Operation = {
  name: 'kill -9 amid mints and revocations',
  weight: 2,
  async run(trial, choose) {
    const unacknowledged = await workAndKill(trial, choose);
    await trial.leaveAll();
    await startAgain(trial, choose, unacknowledged);
  },
};

/** What was under way when the broker was killed. */
interface Unacknowledged {
  /** By label; with the secret, where it was told. */
  readonly minted: ReadonlyMap<string, { readonly domain: string; readonly secret: Uint8Array | null }>;
  readonly revoking: readonly Grant[];
}

async function workAndKill(trial: Trial, choose: Random): Promise<Unacknowledged> {
  const { reference } = trial;
  const minted = new Map<string, { domain: string; secret: Uint8Array | null }>();
  const revoking = new Set<Grant>();
  const work: Promise<unknown>[] = [];
  for (let i = 0; i < 8; i++) {
    const grant = choose.chance(2) ? anyGrant(reference, choose, reference.revocable) : null;
    if (grant !== null) {
      revoking.add(grant);
      const revocation = async () => {
        using power = await trial.powerOver(grant);
        await power.revoke!({});
      };
      work.push(
        trial.try(revocation()).then(({ error }) => {
          if (error !== undefined) return;
          revoking.delete(grant);
          reference.revoke(grant);
        }),
      );
      continue;
    }
    const label = trial.label();
    const domain = choose.pick(['alpha', 'beta']);
    const entry: { domain: string; secret: Uint8Array | null } = { domain, secret: null };
    minted.set(label, entry);
    const minting = trial.operator.mint!({ domain, object: '', label }) as PromiseLike<{
      ref: { secret: Uint8Array };
      grant: AnyStub;
    }>;
    work.push(
      trial.try(minting).then(({ value }) => {
        entry.secret = value?.ref.secret ?? null;
      }),
    );
  }
  await new Promise((resolve) => setTimeout(resolve, choose.below(8)));
  await trial.system.kill();
  await Promise.all(work);
  return { minted, revoking: [...revoking] };
}

/** What was acknowledged is there; what was not may be, and is from now on what it is. */
async function settle(trial: Trial, choose: Random, { minted, revoking }: Unacknowledged): Promise<void> {
  const listed = await trial.listed();
  for (const [label, { domain, secret }] of minted) {
    const row = listed.find((each) => each.label === label);
    if (row === undefined) {
      if (secret !== null) trial.fault(`the mint of ${label} was acknowledged, and is lost`);
      continue;
    }
    const grant = trial.minted({ id: row.id, parent: null, domain, object: '', policy: EVERYTHING, secret });
    if (secret !== null) await restoreOf(trial, choose, grant);
  }
  for (const grant of revoking) {
    if (listed.find(({ id }) => id === grant.id)?.state === 'revoked') trial.reference.revoke(grant);
  }
}
