/** What holds at any time, looked at from outside: what is listed, and that nothing is left when nobody holds anything. */
import { PEER } from '../domains.js';
import { policyFromWire } from '../outcomes.js';
import { type Policy, policyText } from '../reference/policy.js';
import { DOMAINS, type Listed, type Trial } from '../trial.js';
import type { Operation } from './operation.js';

export const listing: Operation = { name: 'listing', weight: 9, run: checkListing };

/** What was acknowledged is there, as it is now. */
export async function checkListing(trial: Trial): Promise<void> {
  const { reference } = trial;
  const listed = new Map((await trial.listed()).map((row) => [row.id, row]));
  for (const grant of reference.grants.values()) {
    const row = listed.get(grant.id);
    if (row === undefined) trial.fault(`grant ${grant.id} was acknowledged, and is lost`);
    const expected = {
      parent: grant.parent?.id ?? '',
      state: reference.dead(grant) ?? 'live',
      policy: policyText(grant.policy),
      bound: policyText(grant.bound),
    };
    for (const [what, value] of Object.entries(expected)) {
      const told = shownOf(row, what as keyof typeof expected);
      if (told !== value)
        trial.fault(`the ${what} of grant ${grant.id} is listed as ${told}, and is ${value}`);
    }
    // Of one whose secret nobody was told, whether there is one is not known.
    const kind = !grant.once ? 'lasting' : grant.used ? 'used' : 'once';
    if (grant.secret !== null && row.reference !== kind) {
      trial.fault(`the reference of grant ${grant.id} is listed as ${row.reference}, and is ${kind}`);
    }
    listed.delete(grant.id);
  }
  // Others are of other runs, or the operator's own.
  const others = [...listed.values()].filter(({ label }) => label.startsWith(trial.labels));
  if (others.length > 0) trial.fault(`${others.map(({ id }) => id)} were minted by nobody`);
}

function shownOf(row: Listed, what: 'parent' | 'state' | 'policy' | 'bound'): string {
  const policy = (told: Listed['policy']): Policy => policyFromWire(told);
  return what === 'policy' || what === 'bound' ? policyText(policy(row[what])) : row[what];
}

/** When the last reference goes, every table on every hop is empty. */
export async function checkNothingLeft(trial: Trial): Promise<void> {
  const { reference } = trial;
  await trial.giveUp(trial.inFlight);
  for (const held of [...reference.held]) trial.drop(held);
  trial.forgetPowers();
  // One that does not run holds nothing.
  const running: string[] = [];
  for (const domain of DOMAINS) {
    reference.domains.get(domain)!.kept.clear();
    if ((await trial.info(domain)).hostPid === 0) continue;
    using main = await trial.main(domain);
    await main.forget({});
    running.push(domain);
  }
  let left = '';
  await trial.until(
    () => `nothing is left: ${left}`,
    async () => {
      const tables = [...trial.connections.values()].map(({ client }) => client.session.connection.tables);
      const alive = await Promise.all(
        running.map(async (domain) => {
          using main = await trial.main(domain);
          const alive = (await main.audit({})).alive as string[];
          // What the configuration grants is held by the broker, for alpha.
          return alive.filter((id) => domain !== PEER.domain || id !== PEER.object);
        }),
      );
      left = JSON.stringify({ tables, alive });
      return (
        tables.every(
          ({ questions, answers, exports, imports, embargoes }) =>
            // The gate is theirs as long as the connection is.
            questions + answers + exports + embargoes === 0 && imports <= 1,
        ) && alive.flat().length === 0
      );
    },
  );
}
