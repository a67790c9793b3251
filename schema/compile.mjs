// Compiles every schema of the repository with the `capnp` tool: X.capnp becomes X.cgr, a CodeGeneratorRequest, beside it.
// What it makes is committed, so that nobody needs the tool but who changes a schema. Run it by `npm run schema`.
//
// The broker's own protocols are written into a module as well: the schema layer runs in browsers, which have no files.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
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

const protocols = ['sturdy', 'domain', 'host'].map((name) => {
  const bytes = readFileSync(join(root, `schema/${name}.cgr`));
  return `/** ${name}.cgr */\nexport const ${name} = '${bytes.toString('base64').replace(/=+$/, '')}';\n`;
});
writeFileSync(
  join(root, 'schema/protocols.generated.ts'),
  `// Made by \`npm run schema\`. CodeGeneratorRequests in base64.\n${protocols.join('')}`,
);
