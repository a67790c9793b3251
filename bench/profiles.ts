/** Profiles the processes of the subjects that are ours, each of them started once more with a profiler in it. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CpuProfile, sharesOf } from './layers.js';
import { nodeFlags } from './node-processes.js';
import { Stand } from './rounds.js';
import type { Profile } from './run.js';
import type { Role, Subject } from './subjects/subject.js';
import { SMALL, workloadName } from './workload.js';

const PROFILED = ['direct', 'brokered'];
const WORKLOAD = { kind: 'echo', bytes: SMALL, depth: 256 } as const;

/** How much of the time that is carried out is looked at, at its end. */
const LOOKED_AT = 0.5;

export async function profiled(subjects: readonly Subject[], seconds: number): Promise<Profile[]> {
  const profiles: Profile[] = [];
  for (const subject of subjects.filter(({ name }) => PROFILED.includes(name))) {
    const folder = mkdtempSync(join(tmpdir(), 'sturdy-profiles-'));
    const flags = nodeFlags.splice(0, nodeFlags.length, '--cpu-prof', `--cpu-prof-dir=${folder}`);
    try {
      const stand = await Stand.open(subject, 'core', seconds);
      const pids = { ...stand.pids };
      try {
        await stand.carryOut(WORKLOAD, seconds);
      } finally {
        await stand.close();
      }
      for (const [role, pid] of Object.entries(pids)) {
        // Those that the broker starts are not ours to profile.
        const file = readdirSync(folder).find((name) => name.includes(`.${pid}.0.`));
        if (file === undefined) continue;
        const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile;
        const shares = sharesOf(profile, (LOOKED_AT * seconds) / Object.keys(pids).length);
        profiles.push({
          subject: subject.name,
          role: role as Role,
          workload: workloadName(WORKLOAD),
          shares,
        });
      }
    } finally {
      nodeFlags.splice(0, nodeFlags.length, ...flags);
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return profiles;
}
