import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { SecretScan } from '../secrets/secret-scan.js';
import { OPERATIONS, Runs, sequences } from './commands.js';
import { Tally } from './tally.js';

/**
 * How many runs, of how many commands at most. A run that failed is told with what MODEL_SEED, MODEL_PATH and MODEL_REPLAY (fast-check's
 * seed, path and replayPath) have to be to get it again.
 */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 6);
const COMMANDS = Number(process.env['MODEL_COMMANDS'] ?? 120);
/** Without MODEL_RUNS, no run begins later than this, in seconds: where the machine is busy, there are fewer. */
const BEGINNING = process.env['MODEL_RUNS'] === undefined ? 22 : Number.POSITIVE_INFINITY;
const { MODEL_SEED: seed, MODEL_PATH: path, MODEL_REPLAY: replayPath } = process.env;

/** How long a run that failed is made smaller, in seconds. */
const SHRINKING = Number(process.env['MODEL_SHRINKING'] ?? 90);

describe('random runs of clients, domains and a broker', () => {
  const tally = new Tally();
  const runs = new Runs(tally);
  afterAll(() => console.log(`model: ${tally}`));

  it(
    'keep to the model of the grants, through amendments, revocations, expiries, crashes and restarts',
    async () => {
      const beginning = Date.now() + BEGINNING * 1000;
      let deadline = Number.POSITIVE_INFINITY;
      const property = fc.asyncProperty(
        fc.noShrink(fc.boolean()),
        sequences(COMMANDS, replayPath),
        async (labelled, commands) => {
          fc.pre(Date.now() < deadline);
          if (deadline === Number.POSITIVE_INFINITY && Date.now() > beginning) return;
          try {
            await runs.check(labelled, commands);
          } catch (error) {
            deadline = Math.min(deadline, Date.now() + SHRINKING * 1000);
            throw error;
          }
        },
      );
      await fc.assert(property, {
        numRuns: RUNS,
        ...(seed !== undefined && { seed: Number(seed) }),
        ...(path !== undefined && { path }),
      });
      await runs.end();
      expect(tally.runs).toBeGreaterThan(0);
      expect(OPERATIONS.map(({ name }) => name)).toEqual(
        expect.arrayContaining(Object.keys(tally.operations)),
      );
    },
    (RUNS * COMMANDS * 0.5 + 2 * SHRINKING + 60) * 1000,
  );

  it('leave no secret in the logs, errors, audit, files, arguments, environments, or what is printed of an object', () => {
    const { secrets, seen } = tally;
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
