/**
 * The programs in Rust: built by the machine's own cargo from what Cargo.lock pins; build.rs makes the code of the
 * schemas, by the `capnp` tool.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../examples/ledger/place.js';
import { cacheFolder, kept } from './kept.js';
import type { Peer } from './peers.js';
import { SCHEMAS } from './schemas.js';

const run = promisify(execFile);
const FOLDER = join(ROOT, 'test/interop/rust');
const EXAMPLE = join(ROOT, 'examples/clients/balance.rs');

/** `peer` runs the list of checks.ts, `balance` is the example of docs/. */
export async function rustProgram(name: 'peer' | 'balance'): Promise<Peer> {
  let versions = '';
  for (const [tool, install] of [
    ['cargo', 'install Rust 1.85 or later'],
    ['capnp', 'apt-get install capnproto'],
  ] as const) {
    try {
      versions += (await run(tool, ['--version'])).stdout;
    } catch {
      return { missing: `no ${tool}; run .ci/run, or: ${install}` };
    }
  }
  return { command: [join(await built(versions), name)] };
}

async function built(versions: string): Promise<string> {
  const sources = (await readdir(FOLDER, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const digest = createHash('sha256').update(versions);
  for (const file of [...sources, EXAMPLE, ...SCHEMAS.map(({ folder, file }) => join(folder, file))]) {
    digest.update(file.slice(ROOT.length)).update(await readFile(file));
  }
  // What the libraries are compiled to is shared by whatever is built of them later.
  const target = join(await cacheFolder(), 'cargo-target');
  return kept(`rust-${digest.digest('hex').slice(0, 16)}`, async (output) => {
    const cargo = ['build', '--release', '--locked', '--quiet', '--target-dir', target];
    await run('cargo', [...cargo, '--manifest-path', join(FOLDER, 'Cargo.toml')]);
    await mkdir(output);
    for (const name of ['peer', 'balance']) await cp(join(target, 'release', name), join(output, name));
  });
}
