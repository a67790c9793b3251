/**
 * The programs in Go: built by the machine's own Go from what go.mod and go.sum pin, with the code that capnpc-go makes
 * of the schemas, capnpc-go itself being built from the same pinned module.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../examples/ledger/place.js';
import { kept } from './kept.js';
import type { Peer } from './peers.js';
import { SCHEMAS } from './schemas.js';

const run = promisify(execFile);
const FOLDER = join(ROOT, 'test/interop/go');
const EXAMPLE = join(ROOT, 'examples/clients/balance.go');
const MODULE = 'capnproto.org/go/capnp/v3';

/**
 * The module is written for Go 1.19, in which all turns of a loop share one variable, and its rpc package defers what
 * it does with that variable: of several capabilities in one answer it would let go of the last only. Here each turn
 * has its own, as since Go 1.22.
 */
const LOOPS = `-gcflags=${MODULE}/rpc=-d=loopvar=1`;

/** `peer` runs the list of checks.ts, `balance` is the example of docs/. */
export async function goProgram(name: 'peer' | 'balance'): Promise<Peer> {
  let versions = '';
  for (const [tool, argument, install] of [
    ['go', 'version', 'install Go 1.24 or later'],
    ['capnp', '--version', 'apt-get install capnproto'],
  ] as const) {
    try {
      versions += (await run(tool, [argument])).stdout;
    } catch {
      return { missing: `no ${tool}; run .ci/run, or: ${install}` };
    }
  }
  return { command: [join(await built(versions), 'bin', name)] };
}

async function built(versions: string): Promise<string> {
  const sources = (await readdir(FOLDER)).sort().map((file) => join(FOLDER, file));
  const digest = createHash('sha256').update(versions);
  for (const file of [...sources, EXAMPLE, ...SCHEMAS.map(({ folder, file }) => join(folder, file))]) {
    digest.update(file.slice(ROOT.length)).update(await readFile(file));
  }
  return kept(`go-${digest.digest('hex').slice(0, 16)}`, async (output) => {
    await mkdir(join(output, 'balance'), { recursive: true });
    for (const file of sources) await cp(file, join(output, basename(file)));
    await cp(EXAMPLE, join(output, 'balance/main.go'));
    await generate(output);
    for (const [program, folder] of [
      ['peer', '.'],
      ['balance', './balance'],
    ] as const) {
      const build = ['build', '-mod=readonly', '-trimpath', LOOPS, '-o', `bin/${program}`, folder];
      await run('go', build, { cwd: output });
    }
  });
}

/** A package of the module for each schema, which has to say in the schema itself what it is called in Go. */
async function generate(module: string): Promise<void> {
  const go = async (...args: string[]) => (await run('go', args, { cwd: module })).stdout.trim();
  const compiler = await go('tool', '-n', `${MODULE}/capnpc-go`);
  const standard = join(await go('list', '-mod=readonly', '-m', '-f', '{{.Dir}}', MODULE), 'std');
  const named = join(module, 'named');
  await mkdir(named);
  for (const { folder, file } of SCHEMAS) {
    const schema = await readFile(join(folder, file), 'utf8');
    const name = basename(file, '.capnp');
    const naming = `using Go = import "/go.capnp";\n$Go.package("${name}");\n$Go.import("sturdy/schema/${name}");\n`;
    // capnpc-go has no List(Void). An AnyPointer is the same on the wire.
    await writeFile(join(named, file), schema.replace('List(Void)', 'AnyPointer') + naming);
  }
  for (const { file } of SCHEMAS) {
    const output = join(module, 'schema', basename(file, '.capnp'));
    await mkdir(output, { recursive: true });
    const include = ['--no-standard-import', '-I', named, '-I', standard];
    await run('capnp', [
      'compile',
      ...include,
      `--src-prefix=${named}`,
      `-o${compiler}:${output}`,
      join(named, file),
    ]);
  }
}
