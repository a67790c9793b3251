/**
 * Every class of denial of service, in every tier: the domain is stopped or told, its operator can read why, and a steady
 * client of another domain is answered before, during and after. An attempt is made in all tiers at once.
 */

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AnyStub, type Client, type Domains, Running } from '../broker/running.js';
import { filedDenials } from './harness/classes.js';
import type { Limits, Stopped, Told } from './harness/denial-class.js';
import { Findings } from './harness/findings.js';
import { type Latency, type Phase, SteadyClient } from './harness/steady-client.js';
import { ASKED, refusals, type Tier } from './harness/tiers.js';
import { infoOf, NEIGHBOUR, probeDomain, Wall } from './harness/wall.js';

const refused = refusals();
const findings = new Findings('denial');
const filed = await filedDenials();
const tiers = ASKED.filter((tier) => refused.get(tier) === null);
/** By attempt. */
const gaps: Record<string, Record<Phase, Latency>> = {};

let running: Running;
let client: Client;
let operator: AnyStub;
/** The connection of the steady client. */
let bystander: Client;
beforeAll(async () => {
  running = await Running.start(domains());
  client = await running.connect();
  operator = await running.operator(client);
  bystander = await running.connect();
}, 180_000);
afterAll(async () => {
  const longest = (phase: Phase) => Math.max(0, ...Object.values(gaps).map((each) => each[phase].longest));
  const told = { before: longest('before'), during: longest('during'), after: longest('after') };
  console.log(
    `a steady client's longest wait, in milliseconds: ${told.before} before, ${told.during} during, ${told.after} after ${Object.keys(gaps).length} attacks, each in ${tiers.length} tiers at once`,
  );
  findings.write();
  await running?.stop();
}, 60_000);

/** One domain for each tier and each set of limits: whoever is stopped is started again for the next attempt. */
const limitsOf = ({ limits }: Stopped | Told): Limits => ({
  turnMillis: 1000,
  heapMiB: 32,
  restartsPerMinute: 1000,
  ...limits,
});
const kinds = [
  ...new Set(
    filed.flatMap(({ class: { attempts } }) =>
      Object.values(attempts).map((attempt) => JSON.stringify(limitsOf(attempt))),
    ),
  ),
];
const domainOf = (tier: Tier, attempt: Stopped | Told): string =>
  `${tier}-${kinds.indexOf(JSON.stringify(limitsOf(attempt)))}`;

/** How long a steady client is watched before an attack, and after it: for a few calls. */
const CALM_MILLIS = 150;

/** Of those that are not attacked: what else the machine does must not end them. */
const PATIENT: Limits = { turnMillis: 20_000 };

function domains(): Domains {
  const all: Domains = { steady: probeDomain({ limits: PATIENT }) };
  for (const tier of tiers) {
    all[`neighbour-${tier}`] = probeDomain({ limits: PATIENT });
    kinds.forEach((limits, kind) => {
      all[`${tier}-${kind}`] = probeDomain({
        tier,
        powers: { log: true, storage: true },
        grants: { neighbour: { ...NEIGHBOUR, domain: `neighbour-${tier}` } },
        limits: JSON.parse(limits) as Limits,
      });
    });
  }
  return all;
}

describe.each(filed.map((each) => [each.class.name, each] as const))(
  'Denial of service: %s',
  (_name, { file, class: each }) => {
    /** By tier and attempt: what the operator reads, or what the attempt is told; what went wrong before there was any. */
    const outcomes = new Map(tiers.map((tier) => [tier, new Map<string, PromiseSettledResult<string>>()]));
    const waits: Record<string, Record<Phase, Latency>> = {};

    beforeAll(async () => {
      // Anew: where it was lost in an attack, that is what fails.
      const steady = (await Wall.to('steady', 'thread', bystander, operator, running)).main;
      await steady['echo']({});
      for (const [name, attempt] of Object.entries(each.attempts)) {
        const among = tiers.filter((tier) => missing(attempt, tier) === undefined);
        const attack = await attacked(among, attempt, steady);
        among.forEach((tier, i) => {
          outcomes.get(tier)!.set(name, attack.outcomes[i]!);
        });
        waits[name] = gaps[`${each.name}: ${name}`] = attack.waited;
      }
    }, 300_000);

    for (const tier of ASKED) {
      const { name, from, rules } = each;
      const common = { chapter: 'denial', file, name, from, rules, tier } as const;
      const why = refused.get(tier) ?? null;
      if (why !== null) {
        findings.add({ ...common, outcome: 'not applicable', attempts: 0, reasons: { '': why } });
        it.skip(`not applicable in the tier ${tier}: ${why}`);
        continue;
      }
      it(`is stopped or told in the tier ${tier}, and others are answered`, () => {
        const reasons: Record<string, string> = {};
        const wrong: Record<string, string> = {};
        const attempts = Object.entries(each.attempts);
        for (const [name, attempt] of attempts) {
          const lacking = missing(attempt, tier);
          if (lacking !== undefined) {
            reasons[name] = `not applicable: ${lacking}`;
            continue;
          }
          const outcome = outcomes.get(tier)!.get(name)!;
          if (outcome.status === 'rejected') throw outcome.reason;
          reasons[name] = outcome.value;
          const wanted = 'stopped' in attempt ? attempt.stopped : attempt.told;
          if (!wanted.test(outcome.value)) wrong[name] = outcome.value;
        }
        const outcome = Object.keys(wrong).length === 0 ? 'held' : 'out';
        const waited = Object.fromEntries(
          Object.entries(waits).filter(([name]) => outcomes.get(tier)!.has(name)),
        );
        findings.add({ ...common, outcome, attempts: attempts.length, reasons, waits: waited });
        expect(wrong).toEqual({});
      });
    }
  },
);

const missing = (attempt: Stopped | Told, tier: Tier): string | undefined =>
  'stopped' in attempt ? attempt.notIn?.[tier] : undefined;

/** Makes an attempt in those tiers at once, while a steady client goes on, which has to be answered; and how it went in each. */
async function attacked(
  among: readonly Tier[],
  attempt: Stopped | Told,
  steady: AnyStub,
): Promise<{ outcomes: PromiseSettledResult<string>[]; waited: Record<Phase, Latency> }> {
  const walls = await Promise.all(
    among.map(async (tier) => {
      // Whoever asks for too much may be cut: not the connection that the other attempts are made on.
      const caller = 'stopped' in attempt ? client : await running.connect();
      return Wall.to(domainOf(tier, attempt), tier, caller, operator, running);
    }),
  );
  const others = new SteadyClient(steady);
  await others.lasts(CALM_MILLIS);
  others.phase = 'during';
  const outcomes = await Promise.allSettled(walls.map((wall) => held(wall, attempt)));
  others.phase = 'after';
  await others.lasts(CALM_MILLIS);
  // One that was stopped by its operator is started again at once.
  for (const { domain } of walls) {
    await operator['stop']({ domain });
    expect((await infoOf(operator, domain)).state).toBe('stopped');
  }
  const waited = await others.end();
  expect(others.failures).toEqual([]);
  return { outcomes, waited };
}

/** Makes an attempt: what the operator reads, or what it is told. */
async function held(wall: Wall, attempt: Stopped | Told): Promise<string> {
  if ('stopped' in attempt) {
    const answer = await wall.escapes(attempt.body);
    const failed = async () => expect((await wall.info()).state, answer).toBe('failed');
    await vi.waitFor(failed, { timeout: 20_000, interval: 50 });
    return (await wall.info()).detail;
  }
  const connect = () => running.connect();
  const outcome = await (attempt.drive?.({ main: wall.main, operator, connect }) ??
    wall.escapes(attempt.body ?? ''));
  expect(await infoOf(operator, wall.domain)).toMatchObject({ state: 'running', detail: '' });
  const again = await Wall.to(wall.domain, wall.tier, client, operator, running);
  expect(await again.outcome(`return 'still here'`)).toBe('still here');
  return outcome;
}
