/**
 * The programs in Python and C++ that talk to a broker here: where each is found or built, and why it cannot be run
 * where it cannot. Those in Go and Rust stand beside, in go-programs.ts and rust-programs.ts.
 */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../examples/ledger/place.js';
import { kept } from './kept.js';
import { SCHEMAS } from './schemas.js';

const run = promisify(execFile);
const HERE = join(ROOT, 'test/interop');

/** A command, to be completed by its arguments, or the reason why there is none. */
export type Peer = { readonly command: readonly string[] } | { readonly missing: string };

/** `script` with pycapnp, in the project's .venv or in the python3 of the machine. */
export async function pythonPeer(script = join(HERE, 'client.py')): Promise<Peer> {
  const venv = join(ROOT, '.venv/bin/python');
  const tried: string[] = [];
  for (const python of [...(existsSync(venv) ? [venv] : []), 'python3']) {
    try {
      await run(python, ['-c', 'import capnp']);
      return { command: [python, script] };
    } catch {
      tried.push(python);
    }
  }
  return { missing: `no pycapnp in ${tried.join(' or ')}; run .ci/run, or: pip install pycapnp==2.2.4` };
}

/** `source` in C++, compiled with the machine's libcapnp-dev unless that has been done before. */
export async function cppPeer(source = join(HERE, 'client.c++')): Promise<Peer> {
  for (const [tool, argument] of [
    ['capnp', '--version'],
    ['capnpc-c++', '--version'],
    ['g++', '--version'],
  ] as const) {
    try {
      await run(tool, [argument]);
    } catch {
      return {
        missing: `no ${tool}; run .ci/run, or: apt-get install capnproto libcapnp-dev libssl-dev g++`,
      };
    }
  }
  if (!existsSync('/usr/include/capnp/rpc-twoparty.h')) {
    return { missing: 'no capnp/rpc-twoparty.h; run .ci/run, or: apt-get install libcapnp-dev' };
  }
  if (!existsSync('/usr/include/openssl/ssl.h')) {
    return { missing: 'no openssl/ssl.h; run .ci/run, or: apt-get install libssl-dev' };
  }
  return { command: [await compiled(source)] };
}

const GXX = ['-std=c++17', '-O1'];

/** The path of the program. What was compiled from the same sources by the same tool is used again. */
async function compiled(source: string): Promise<string> {
  const generated = await generatedCode();
  const digest = createHash('sha256')
    .update(generated)
    .update(await readFile(source));
  return kept(`program-${digest.digest('hex').slice(0, 16)}`, async (output) => {
    const objects = SCHEMAS.map(({ file }) => join(generated, `${file}.o`));
    const libraries = ['-lcapnp-rpc', '-lcapnp', '-lkj-async', '-lkj', '-lssl', '-lcrypto'];
    const own = ['-x', 'c++', source, '-x', 'none'];
    await run('g++', [...GXX, `-I${generated}`, ...own, ...objects, '-o', output, ...libraries]);
  });
}

/** A folder with what the schemas become in C++, and the objects that it is compiled to. */
async function generatedCode(): Promise<string> {
  const digest = createHash('sha256').update((await run('capnp', ['--version'])).stdout);
  for (const { folder, file } of SCHEMAS) digest.update(await readFile(join(folder, file)));
  return kept(`generated-${digest.digest('hex').slice(0, 16)}`, async (output) => {
    await mkdir(output);
    for (const { folder, file } of SCHEMAS) {
      const include = ['-I', join(ROOT, 'schema'), '--no-standard-import'];
      const places = [`--src-prefix=${folder}`, `-oc++:${output}`, join(folder, file)];
      await run('capnp', ['compile', ...include, ...places]);
    }
    for (const { file } of SCHEMAS) {
      const code = ['-x', 'c++', '-c', join(output, `${file}.c++`)];
      await run('g++', [...GXX, `-I${output}`, ...code, '-o', join(output, `${file}.o`)]);
    }
  });
}
