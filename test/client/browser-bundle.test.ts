import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('the client for browsers is bundled without anything of Node, and without ws', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../client/browser.ts', import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    // Where an import of a module of Node cannot be resolved.
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  });
  const files = Object.keys(metafile.inputs);
  expect(files.some((file) => file.endsWith('client/browser.ts'))).toBe(true);
  expect(files.filter((file) => /node_modules\/ws\/|^node:/.test(file))).toEqual([]);
  expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([]);
});
