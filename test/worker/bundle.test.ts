import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInThisContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BundleError, bundle } from '../../worker/bundle.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-bundle-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
/** Writes `files` into a folder of their own and gives the path of the first. */
function written(files: Record<string, string>): string {
  const place = join(folder, String(count++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place, name)), { recursive: true });
    writeFileSync(join(place, name), text);
  }
  return join(place, Object.keys(files)[0]!);
}

async function faults(files: Record<string, string>): Promise<readonly string[]> {
  try {
    await bundle(written(files));
  } catch (error) {
    if (error instanceof BundleError) return error.faults;
    throw error;
  }
  throw new Error('it was bundled');
}

/** The value of a bundle, in this realm: these tests ask what the text means, not what it can reach. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the text says it is
const evaluate = (source: string): any => runInThisContext(source);

describe('bundle', () => {
  it('makes one script of TypeScript and what it imports, whose value is the default export', async () => {
    const module = written({
      'main.ts': `import { twice } from './twice.js'; export default (n: number): number => twice(n) + 1;`,
      'twice.ts': `export const twice = (n: number): number => n * 2;`,
    });
    expect(evaluate(await bundle(module))(20)).toBe(41);
  });

  it('bundles packages of npm, CommonJS and ES modules alike', async () => {
    const module = written({
      'main.js': `import a from 'a'; import { b } from 'b'; export default () => a(b);`,
      'node_modules/a/package.json': `{"name":"a","main":"./a.js"}`,
      'node_modules/a/a.js': `var known = 7; module.exports = function (x) { return x + known; };`,
      'node_modules/b/package.json': `{"name":"b","type":"module","exports":"./b.js"}`,
      'node_modules/b/b.js': `export const b = 1; export const unused = 'NOT THERE';`,
    });
    const source = await bundle(module);
    expect(evaluate(source)()).toBe(8);
    expect(source).not.toContain('NOT THERE');
  });

  it('turns an import of a literal into part of the bundle, and refuses any other', async () => {
    const module = written({
      'main.js': `export default async () => (await import('./late.js')).late;`,
      'late.js': `export const late = 5;`,
    });
    await expect(evaluate(await bundle(module))()).resolves.toBe(5);
    expect(await faults({ 'main.js': 'export default (x) => import(x);' })).toEqual([
      expect.stringMatching(/^in the bundle, line \d+, column \d+: a program cannot load modules/),
    ]);
  });

  it('gives the same text wherever the files are, and no path of the machine', async () => {
    const files = {
      'main.ts': `import a from 'a'; export default () => a;`,
      'node_modules/a/package.json': `{"name":"a"}`,
      'node_modules/a/index.js': `/*! licence */ module.exports = 1; // a comment\n//# sourceMappingURL=index.js.map`,
    };
    const [one, two] = await Promise.all([bundle(written(files)), bundle(written(files))]);
    expect(one).toBe(two);
    expect(one).not.toMatch(/node_modules|sturdy-bundle|sourceMap|licence|index\.js/);
  });

  it('refuses a module of Node, naming the file and the module', async () => {
    expect(
      await faults({ 'main.ts': `import { readFile } from 'node:fs/promises'; export default readFile;` }),
    ).toEqual([
      expect.stringMatching(
        /^main\.ts:1:\d+: imports "node:fs\/promises", a module of Node, and a domain has no Node/,
      ),
    ]);
    expect(
      await faults({
        'main.js': `import a from 'a'; export default a;`,
        'node_modules/a/package.json': `{"name":"a"}`,
        'node_modules/a/index.js': `module.exports = require('child_process');`,
      }),
    ).toEqual([
      expect.stringMatching(/^node_modules\/a\/index\.js:1:\d+: imports "child_process", a module of Node/),
    ]);
  });

  it('lets a package probe for a module of Node inside try, and leaves it out by its browser field', async () => {
    const module = written({
      'main.js': `import a from 'a'; export default a;`,
      'node_modules/a/package.json': `{"name":"a","browser":{"os":false}}`,
      'node_modules/a/index.js': `
        var fs; try { fs = require('fs'); } catch (e) { fs = 'absent'; }
        module.exports = { fs: fs, os: Object.keys(require('os')) };`,
    });
    const source = await bundle(module);
    expect(evaluate(source)).toEqual({ fs: 'absent', os: [] });
  });

  it('refuses import.meta', async () => {
    expect(await faults({ 'main.js': 'export default import.meta.url;' })).toEqual([
      'main.js:1:16: `import.meta` is refused: a program has no place of its own',
    ]);
  });

  it('says what is wrong with a module that cannot be read, parsed or has no default export', async () => {
    expect(await faults({ 'main.js': 'export const a = 1;' })).toEqual([
      expect.stringContaining('"default"'),
    ]);
    expect(await faults({ 'main.js': 'let a = ;' })).toEqual([expect.stringMatching(/^main\.js:1:9: /)]);
    await expect(bundle(join(folder, 'absent.ts'))).rejects.toThrow(
      /absent\.ts cannot be bundled: .*Could not resolve/,
    );
  });

  it('bundles handlebars as it comes', async () => {
    const source = await bundle(fileURLToPath(new URL('./domains/letter.ts', import.meta.url)));
    const { main } = evaluate(source)();
    expect(main.render({ name: 'Ann', lines: [{ text: 'rent', cents: 50_000 }] }).text).toBe(
      '<!-- letter -->Dear Ann, [rent 500 EUR]',
    );
  });
});
