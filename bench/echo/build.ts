/** Builds the peer in C++ with the machine's tools, once for each version of its sources and of them. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BENCH, ROOT } from '../place.js';

const run = promisify(execFile);

const SOURCE = join(BENCH, 'echo/echo.c++');
const SCHEMA = join(BENCH, 'echo/echo.capnp');
const FLAGS = ['-std=c++17', '-O2', '-DNDEBUG'];

/** Why it cannot be built here; null where it can. */
export async function cannotBuild(): Promise<string | null> {
  for (const tool of ['capnp', 'capnpc-c++', 'g++']) {
    try {
      await run(tool, ['--version']);
    } catch {
      return `there is no ${tool}: apt-get install capnproto libcapnp-dev g++`;
    }
  }
  if (!existsSync('/usr/include/capnp/rpc-twoparty.h')) {
    return 'there is no capnp/rpc-twoparty.h: apt-get install libcapnp-dev';
  }
  return null;
}

/** The path of the program, which is built first if it must be. */
export async function echoProgram(): Promise<string> {
  const digest = createHash('sha256').update(FLAGS.join(' '));
  digest.update((await run('capnp', ['--version'])).stdout).update((await run('g++', ['--version'])).stdout);
  for (const file of [SOURCE, SCHEMA]) digest.update(await readFile(file));
  const cache = join(ROOT, 'dist/bench/c++');
  const program = join(cache, `echo-${digest.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;

  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'work-'));
  try {
    await run('capnp', [
      'compile',
      '-I',
      join(ROOT, 'schema'),
      '--no-standard-import',
      `--src-prefix=${join(BENCH, 'echo')}`,
      `-oc++:${work}`,
      SCHEMA,
    ]);
    const output = join(work, 'echo');
    const generated = join(work, 'echo.capnp.c++');
    const libraries = ['-lcapnp-rpc', '-lcapnp', '-lkj-async', '-lkj'];
    await run('g++', [...FLAGS, `-I${work}`, '-x', 'c++', SOURCE, generated, '-o', output, ...libraries]);
    await rename(output, program);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}
