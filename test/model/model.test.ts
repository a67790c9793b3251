import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretScan } from './secret-scan.js';
import { type WalkReport, walk } from './walk.js';

/**
 * How long it walks: about fifteen seconds, or as many as MODEL_SECONDS says. MODEL_SEED makes the same choices as a walk
 * that failed.
 */
const SECONDS = Number(process.env['MODEL_SECONDS'] ?? 12);
const SEED = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('a walk of clients, domains and a broker', () => {
  let report: WalkReport;

  beforeAll(
    async () => {
      // Rejects where anything is not as the model says.
      report = await walk(SEED, SECONDS * 1000);
    },
    (SECONDS + 120) * 1000,
  );
  afterAll(() => {
    if (report === undefined) return;
    const { operations, calls, grants } = report;
    console.log(`model: MODEL_SEED=${SEED}, ${grants} grants, calls ${JSON.stringify(calls)}`);
    console.log(`model: operations ${JSON.stringify(operations)}`);
  });

  it('keeps to the model of the grants, through revocations, expiries, crashes and restarts', () => {
    const { calls, operations, grants } = report;
    expect(calls['through']).toBeGreaterThan(0);
    expect(grants).toBeGreaterThan(3);
    expect(Object.keys(operations).length).toBeGreaterThan(5);
  });

  it('leaves no secret in the logs, errors, audit, files, arguments, environments, or what is printed of an object', () => {
    const { secrets, seen } = report;
    const scan = new SecretScan(secrets);
    const kinds = new Map<string, Buffer[]>();
    for (const { where, bytes } of seen) {
      const kind = where.replace(/\/proc\/\d+/, 'a process: ');
      kinds.set(kind, [...(kinds.get(kind) ?? []), bytes]);
    }
    expect([...kinds.keys()].sort()).toEqual(
      expect.arrayContaining([
        'an error',
        'stderr of the broker',
        'the audit log',
        'the file store.mdb',
        'util.inspect of the broker',
        'what a client prints',
      ]),
    );
    for (const [kind, all] of kinds) {
      const bytes = Buffer.concat(all);
      expect({ kind, found: scan.find(bytes) }).toEqual({ kind, found: [] });
      // And it would be found there.
      const planted = Buffer.concat([bytes, Buffer.from(secrets.at(-1)!)]);
      expect({ kind, found: scan.find(planted).length > 0 }).toEqual({ kind, found: true });
    }
    // The second wall of the log had nothing to take out: the first has held.
    const logged = Buffer.concat(kinds.get('stderr of the broker')!).toString();
    expect(logged).toContain('the broker is ready');
    expect(logged).not.toContain('[secret]');
  });
});
