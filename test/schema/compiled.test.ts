/**
 * The compiled schemas of the repository: each is what its text is compiled to, as our codecs read it by the schema of
 * schemas.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SchemaGraph } from '../../schema/index.js';
import { compile, toolMissing } from './capnp-tool.js';
import type { StructValue } from './random-values.js';
import { decode, encode, ROOT } from './schemas.js';
import { unframed } from './streams.js';

const META = 'schema/capnp/schema.capnp';

const compiled = ['schema', 'examples', 'test'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.cgr'))
    .map((name) => join(folder, name)),
);

// What is refused where CI has no tool is said in tool.test.ts.
describe.skipIf(toolMissing !== null)('a compiled schema', () => {
  // Its own text is not committed compiled: the tool is what it is read for.
  const request =
    toolMissing === null ? SchemaGraph.load(compile(META)).struct('CodeGeneratorRequest') : null!;

  it('is there for each protocol and example', () => {
    expect(compiled).toContain('schema/sturdy.cgr');
    expect(compiled).toContain('test/schema/everything.cgr');
  });

  it.each(compiled)('is what its text says, or npm run schema has to be run: %s', (path) => {
    const committed = nodesOf(readFileSync(join(ROOT, path)));
    const fresh = nodesOf(compile(path.replace(/cgr$/, 'capnp')));
    expect(committed.length).toBeGreaterThan(1);
    expect(committed).toEqual(fresh);
    // What an AnyPointer has, a default for instance, is seen in the bytes only.
    expect(encode(request, { nodes: committed })).toEqual(encode(request, { nodes: fresh }));
  });

  /** But for the folder that the compiler was run in. */
  function nodesOf(bytes: Uint8Array): StructValue[] {
    const nodes: { displayName: string }[] = decode(request, unframed(bytes)[0]!).nodes;
    return nodes.map((node) => ({
      ...node,
      displayName: node.displayName.slice(node.displayName.lastIndexOf('/') + 1),
      displayNamePrefixLength: 0,
    }));
  }
});
