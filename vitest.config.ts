import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Tests that say how long something may hold up somebody else, or how much memory that takes: they run by themselves. */
const ALONE = ['test/worker/limits.test.ts', 'test/hostile/flood.test.ts', 'test/escapes/denial.test.ts'];

/** What takes a minute or more, the longest first: one that began as the last would leave the other worker idle. */
const LONGEST = [
  'interop/peers',
  'broker/upgraded-code',
  'escapes/versions',
  'compat/compat',
  'cli/commands',
  'escapes/denial-harm',
  'broker/activation',
  'escapes/escapes',
  'conformance/envelope',
].map((name) => fileURLToPath(new URL(`test/${name}.test.ts`, import.meta.url)));

class LongestFirst extends BaseSequencer {
  /** All of them are run together with others, before those that run alone. */
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rest = await super.sort(files);
    const first = LONGEST.flatMap((path) => rest.filter(({ moduleId }) => moduleId === path));
    return [...first, ...rest.filter((each) => !first.includes(each))];
  }
}

export default defineConfig({
  resolve: {
    // The package by its own name is what was built: what a test of whole processes has to run.
    alias: [
      {
        find: /^sturdy\/(schema|rpc|client|worker|broker)$/,
        replacement: fileURLToPath(new URL('./dist/$1/index.js', import.meta.url)),
      },
    ],
  },
  test: {
    // What was built is loaded as Node does it, for whoever uses the package: it needs no transformation.
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // What comes to be in the end may take its time on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    // No secret of a reference may be seen anywhere: every file's processes are recorded, and looked at.
    globalSetup: 'test/secrets/run.ts',
    setupFiles: 'test/secrets/look.ts',
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...ALONE],
          // Most of them wait for processes that they started: two would leave a quarter of two cores idle.
          maxWorkers: 3,
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
