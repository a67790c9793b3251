// Copies the schemas to where the compiled code looks for them: the same places under dist/.
import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

for (const folder of ['schema', 'examples', 'test']) {
  cpSync(join(root, folder), join(root, 'dist', folder), {
    recursive: true,
    filter: (source) =>
      !source.endsWith('node_modules') && (!/\.[a-z]+$/.test(source) || /\.(capnp|cgr|csv)$/.test(source)),
  });
}
