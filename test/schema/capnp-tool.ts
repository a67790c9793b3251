/** The `capnp` tool, of the C++ implementation: what it makes of a stream of messages. */
import { execFileSync, spawnSync } from 'node:child_process';
import { ROOT } from './schemas.js';

/** Why the tool cannot be run here; null: it can. */
export const toolMissing: string | null =
  spawnSync('capnp', ['--version']).error === undefined
    ? null
    : 'no capnp; run .ci/run, or: apt-get install capnproto';

/** A machine without the tool is good for everything else, but not to say that all is well. */
export const TOOL_REQUIRED = process.env['CI'] === 'true';

export type Format = 'binary' | 'canonical' | 'json' | 'text';

/** What `from` of the struct `type` of a schema in this folder is as `to`. Throws with what the tool says. */
export function convert(
  formats: `${Format}:${Format}`,
  { schema, type }: { readonly schema: 'everything' | 'evolution'; readonly type: string },
  input: Uint8Array | string,
  options: readonly string[] = [],
): Buffer {
  return capnp(
    ['convert', '--short', '--quiet', ...options, ...INCLUDE, formats, `test/schema/${schema}.capnp`, type],
    input,
  );
}

/** A constant that is a struct. */
export function evaluate(schema: 'everything' | 'evolution', name: string, format: Format): Buffer {
  return capnp(['eval', '--short', `-o${format}`, ...INCLUDE, `test/schema/${schema}.capnp`, name]);
}

/** The CodeGeneratorRequest of a schema, by its path in the repository. */
export function compile(source: string): Buffer {
  return capnp(['compile', ...INCLUDE, '-o-', source]);
}

const INCLUDE = ['-I', 'schema', '--no-standard-import'];

function capnp(args: readonly string[], input: Uint8Array | string = ''): Buffer {
  return execFileSync('capnp', args, {
    cwd: ROOT,
    env: { ...process.env, PWD: ROOT },
    input,
    maxBuffer: 2 ** 30,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}
