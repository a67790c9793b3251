/**
 * The programs in other languages that talk to a broker here: where each is found or built, and why it cannot be run
 * where it cannot.
 */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../examples/ledger/place.js';

const run = promisify(execFile);
const HERE = join(ROOT, 'test/interop');

/** A command that takes the path of a file of references, or the reason why there is none. */
export type Peer = { readonly command: readonly string[] } | { readonly missing: string };

/** A program of this folder for pycapnp, in the project's .venv or in the python3 of the machine. */
export async function pythonPeer(script = 'client.py'): Promise<Peer> {
  const venv = join(ROOT, '.venv/bin/python');
  const tried: string[] = [];
  for (const python of [...(existsSync(venv) ? [venv] : []), 'python3']) {
    try {
      await run(python, ['-c', 'import capnp']);
      return { command: [python, join(HERE, script)] };
    } catch {
      tried.push(python);
    }
  }
  return { missing: `no pycapnp in ${tried.join(' or ')}; run .ci/run, or: pip install pycapnp==2.2.4` };
}

/** The C++ client, compiled with the machine's libcapnp-dev unless that has been done before. */
export async function cppPeer(): Promise<Peer> {
  for (const [tool, argument] of [
    ['capnp', '--version'],
    ['capnpc-c++', '--version'],
    ['g++', '--version'],
  ] as const) {
    try {
      await run(tool, [argument]);
    } catch {
      return { missing: `no ${tool}; run .ci/run, or: apt-get install capnproto libcapnp-dev g++` };
    }
  }
  if (!existsSync('/usr/include/capnp/rpc-twoparty.h')) {
    return { missing: 'no capnp/rpc-twoparty.h; run .ci/run, or: apt-get install libcapnp-dev' };
  }
  return { command: [await compiled()] };
}

const SCHEMAS = [
  { folder: join(ROOT, 'schema'), file: 'sturdy.capnp' },
  { folder: join(ROOT, 'examples/ledger'), file: 'ledger.capnp' },
];

/** The path of the program. What was compiled from the same sources by the same tool is used again. */
async function compiled(): Promise<string> {
  const source = join(HERE, 'client.c++');
  const digest = createHash('sha256').update((await run('capnp', ['--version'])).stdout);
  for (const path of [source, ...SCHEMAS.map(({ folder, file }) => join(folder, file))]) {
    digest.update(await readFile(path));
  }
  const cache = join(tmpdir(), `sturdy-interop-${userInfo().uid}`);
  const program = join(cache, `client-${digest.digest('hex').slice(0, 16)}`);
  await mkdir(cache, { recursive: true, mode: 0o700 });
  if (existsSync(program)) return program;

  const work = await mkdtemp(join(cache, 'work-'));
  const generated: string[] = [];
  for (const { folder, file } of SCHEMAS) {
    const include = ['-I', join(ROOT, 'schema'), '--no-standard-import'];
    await run('capnp', [
      'compile',
      ...include,
      `--src-prefix=${folder}`,
      `-oc++:${work}`,
      join(folder, file),
    ]);
    generated.push(join(work, `${file}.c++`));
  }
  const libraries = ['-lcapnp-rpc', '-lcapnp', '-lkj-async', '-lkj'];
  const output = join(work, 'client');
  await run('g++', [
    '-std=c++17',
    `-I${work}`,
    '-x',
    'c++',
    source,
    ...generated,
    '-o',
    output,
    ...libraries,
  ]);
  await rename(output, program);
  await rm(work, { recursive: true });
  return program;
}
