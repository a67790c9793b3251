/**
 * Every class of denial of service, in every tier: the domain is stopped or told, its operator can read why, and a steady
 * client of another domain is answered before, during and after.
 */

import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyStub, type Client, type Domains, Running } from '../broker/running.js';
import { Bare } from './harness/bare.js';
import { filedDenials } from './harness/classes.js';
import type { Limits, Stopped, Told } from './harness/denial-class.js';
import { asProgram } from './harness/escape-class.js';
import { Findings } from './harness/findings.js';
import { type Latency, type Phase, SteadyClient } from './harness/steady-client.js';
import { ASKED, refusals, type Tier, WHOLE, WITHOUT_WALLS } from './harness/tiers.js';
import { infoOf, NEIGHBOUR, probeDomain, Wall } from './harness/wall.js';

const refused = refusals();
const findings = new Findings('denial');
const bare = new Bare();
/** What the suite has time for; the matrix has them all. */
const SAMPLE: ReadonlySet<string> = new Set([
  'buffers-off-the-heap',
  'catastrophic-regular-expressions',
  'deep-nesting',
  'endless-loops',
  'endless-microtasks',
  'floods-of-log-lines',
  'floods-of-messages',
  'growth-by-arrays',
]);
const filed = (await filedDenials()).filter(({ file }) => WHOLE || SAMPLE.has(basename(file, '.ts')));
const gaps: Record<string, Record<Phase, Latency>> = {};

let running: Running;
let client: Client;
let operator: AnyStub;
let steady: AnyStub;
beforeAll(async () => {
  running = await Running.start(domains());
  client = await running.connect();
  operator = await running.operator(client);
  steady = (await Wall.to('steady', 'thread', await running.connect(), operator, running)).main;
  await steady['echo']({});
}, 180_000);
afterAll(async () => {
  const longest = (phase: Phase) => Math.max(0, ...Object.values(gaps).map((each) => each[phase].longest));
  const told = { before: longest('before'), during: longest('during'), after: longest('after') };
  console.log(
    `a steady client's longest wait, in milliseconds: ${told.before} before, ${told.during} during, ${told.after} after ${Object.keys(gaps).length} attacks`,
  );
  findings.write();
  bare.end();
  await running?.stop();
}, 60_000);

/** In the suite, the tiers above the thread have the first attempt of each class; the matrix makes them all. */
function made(tier: Tier, attempts: Readonly<Record<string, Stopped | Told>>): [string, Stopped | Told][] {
  const all = Object.entries(attempts);
  return WHOLE || tier === 'thread' ? all : all.slice(0, 1);
}

/** One domain for each tier and each set of limits: whoever is stopped is started again for the next attempt. */
const limitsOf = ({ limits }: Stopped | Told): Limits => ({
  turnMillis: 400,
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

function domains(): Domains {
  const all: Domains = { steady: probeDomain(), neighbour: probeDomain() };
  for (const tier of ASKED.filter((each) => refused.get(each) === null)) {
    kinds.forEach((limits, kind) => {
      all[`${tier}-${kind}`] = probeDomain({
        tier,
        powers: { log: true, storage: true },
        grants: { neighbour: NEIGHBOUR },
        limits: JSON.parse(limits) as Limits,
      });
    });
  }
  return all;
}

filed.forEach(({ file, class: each }) => {
  describe(`Denial of service: ${each.name}`, () => {
    it.runIf(WITHOUT_WALLS)(
      'does harm without the wall',
      async () => {
        const harmless: Record<string, string> = {};
        for (const [name, attempt] of Object.entries(each.attempts)) {
          const harm = await without(attempt);
          if (harm !== attempt.bare) harmless[name] = harm;
        }
        expect(harmless, 'attempts that do no harm prove nothing').toEqual({});
      },
      120_000,
    );

    for (const tier of ASKED) {
      const { name, from, rules } = each;
      const common = { chapter: 'denial', file, name, from, rules, tier } as const;
      const why = refused.get(tier) ?? null;
      if (why !== null) {
        findings.add({ ...common, outcome: 'not applicable', attempts: 0, reasons: { '': why } });
        it.skip(`not applicable in the tier ${tier}: ${why}`);
        continue;
      }
      it(`is stopped or told in the tier ${tier}, and others are answered`, async () => {
        const reasons: Record<string, string> = {};
        const wrong: Record<string, string> = {};
        const waits: Record<string, Record<Phase, Latency>> = {};
        const attempts = made(tier, each.attempts);
        for (const [name, attempt] of attempts) {
          const missing = 'stopped' in attempt ? attempt.notIn?.[tier] : undefined;
          if (missing !== undefined) {
            reasons[name] = `not applicable: ${missing}`;
            continue;
          }
          const { outcome, waited } = await attacked(tier, attempt);
          reasons[name] = outcome;
          waits[name] = waited;
          gaps[`${tier}: ${each.name}: ${name}`] = waited;
          const wanted = 'stopped' in attempt ? attempt.stopped : attempt.told;
          if (!wanted.test(reasons[name])) wrong[name] = reasons[name];
        }
        const outcome = Object.keys(wrong).length === 0 ? 'held' : 'out';
        findings.add({ ...common, outcome, attempts: attempts.length, reasons, waits });
        expect(wrong).toEqual({});
      }, 180_000);
    }
  });
});

async function without(attempt: Stopped | Told): Promise<string> {
  const body = attempt.body ?? '';
  if (attempt.bare !== 'gets') return bare.harm(asProgram(body), attempt.bare);
  // What only clients do is held by nothing where nobody counts.
  if (body === '') return 'gets';
  return (await bare.escapes(body)) === 'out' ? 'gets' : 'does not get all';
}

/** Makes an attempt while a steady client goes on; what the operator reads, or what the attempt is told. */
async function attacked(
  tier: Tier,
  attempt: Stopped | Told,
): Promise<{ outcome: string; waited: Record<Phase, Latency> }> {
  const domain = domainOf(tier, attempt);
  // Whoever asks for too much may be cut: not the connection that the other attempts are made on.
  const caller = 'stopped' in attempt ? client : await running.connect();
  const wall = await Wall.to(domain, tier, caller, operator, running);
  const others = new SteadyClient(steady);
  await others.lasts(250);
  others.phase = 'during';
  let outcome: string;
  if ('stopped' in attempt) {
    const answer = await wall.escapes(attempt.body);
    await expect
      .poll(async () => (await wall.info()).state, { timeout: 20_000, message: answer })
      .toBe('failed');
    outcome = (await wall.info()).detail;
  } else {
    const connect = () => running.connect();
    outcome = await (attempt.drive?.({ main: wall.main, operator, connect }) ??
      wall.escapes(attempt.body ?? ''));
    expect(await infoOf(operator, domain)).toMatchObject({ state: 'running', detail: '' });
    const again = await Wall.to(domain, tier, client, operator, running);
    expect(await again.outcome(`return 'still here'`)).toBe('still here');
  }
  others.phase = 'after';
  await others.lasts(250);
  // One that was stopped by its operator is started again at once.
  await operator['stop']({ domain });
  expect((await infoOf(operator, domain)).state).toBe('stopped');
  const waited = await others.end();
  expect(others.failures).toEqual([]);
  return { outcome, waited };
}
