// Compiles every schema of the repository with the `capnp` tool: X.capnp becomes X.cgr, a CodeGeneratorRequest, beside it.
// What it makes is committed, so that nobody needs the tool but who changes a schema. Run it by `npm run schema`.
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folders = [
  'schema',
  'test/schema',
  'test/conformance',
  'test/hostile',
  'test/model',
  'test/worker/domains',
  'bench/echo',
  ...readdirSync(join(root, 'examples')).map((name) => `examples/${name}`),
  'test/interop',
];

for (const folder of folders) {
  let names;
  try {
    names = readdirSync(join(root, folder));
  } catch {
    continue;
  }
  for (const name of names.filter((entry) => entry.endsWith('.capnp'))) {
    const source = join(folder, name);
    const request = execFileSync(
      'capnp',
      ['compile', '-I', 'schema', '--no-standard-import', '-o-', source],
      { cwd: root },
    );
    writeFileSync(join(root, folder, name.replace(/\.capnp$/, '.cgr')), request);
    console.log(`${source}: ${request.length} bytes`);
  }
}
