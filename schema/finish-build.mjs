// Does what the compiler leaves to be done: copies the schemas to where the compiled code looks for them, the same places
// under dist/, and makes one module of what is used of capnp-ts.
import { cpSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

for (const folder of ['schema', 'examples', 'test']) {
  cpSync(join(root, folder), join(root, 'dist', folder), {
    recursive: true,
    filter: (source) =>
      basename(source) !== 'node_modules' && (!/\.[a-z]+$/.test(source) || /\.(capnp|cgr|csv)$/.test(source)),
  });
}

const bundled = join(root, 'dist/schema/capnp-ts.js');
await build({
  entryPoints: [bundled],
  outfile: bundled,
  allowOverwrite: true,
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['main'],
  // What it traces with reads the environment, and is of no use here.
  plugins: [
    {
      name: 'silent',
      setup(silent) {
        silent.onResolve({ filter: /^debug$/ }, () => ({ path: 'debug', namespace: 'silent' }));
        silent.onLoad({ filter: /.*/, namespace: 'silent' }, () => ({
          contents: 'module.exports = Object.assign(() => () => {}, { formatters: {} });',
        }));
      },
    },
  ],
  legalComments: 'inline',
  logLevel: 'warning',
});
