import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInThisContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../worker/bundle.js';
import { BundleError } from '../../worker/bundle-error.js';

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

  it('is quoted as it is in the documentation', async () => {
    const [fault] = await faults({
      'plugin.ts': `import { readFile } from 'node:fs';\nexport default readFile;`,
    });
    const page = readFileSync(new URL('../../docs/domains.md', import.meta.url), 'utf8');
    expect(page).toContain(`/srv/plugin.ts cannot be bundled: ${fault}\n`);
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

describe('the wall around a bundle', () => {
  /** What stands outside of the package must neither be in the bundle nor in what is said of it. */
  async function refusal(
    files: Record<string, string>,
    arrange: (place: string) => void = () => {},
    withheld: (place: string) => string[] = () => [],
  ): Promise<readonly string[]> {
    const module = written({
      ...files,
      'outside/secret.json': '{"key":"THE SECRET"}',
      'outside/secret.js': 'export default "THE SECRET";',
      'outside/operator.ref': 'THE SECRET',
    });
    const place = dirname(dirname(module));
    arrange(place);
    const refused = await bundle(module, { withheld: withheld(place) }).then(
      (source) => new Error(`it was bundled: ${source}`),
      (error: unknown) => error,
    );
    if (!(refused instanceof BundleError)) throw refused;
    expect(refused.message).not.toContain('THE SECRET');
    return refused.faults;
  }
  const outside = (file: string) =>
    new RegExp(
      `^[^ ]+: "${file.replaceAll('.', '\\.')}" is outside of the package of the module and of the node_modules that it can reach; copy it into the package$`,
    );

  it.each([
    ['a module beside its package', `import x from '../outside/secret.js'; export default x;`, 'secret.js'],
    ['JSON', `import x from '../outside/secret.json'; export default x;`, 'secret.json'],
    [
      'JSON with its attribute',
      `import x from '../outside/secret.json' with { type: 'json' }; export default x;`,
      'secret.json',
    ],
    ['what `require` asks for', `module.exports = require('../outside/secret.json');`, 'secret.json'],
    ['what `import()` asks for', `export default () => import('../outside/secret.json');`, 'secret.json'],
    [
      'what a path with a hole matches',
      'export default (x) => import("../outside/" + x + ".json");',
      'secret.json',
    ],
    [
      'a path through a package',
      `import x from 'a/../../../outside/secret.json'; export default x;`,
      'secret.json',
    ],
    [
      'text',
      `import x from '../outside/operator.ref' with { type: 'text' }; export default x;`,
      'operator.ref',
    ],
  ])('keeps out, from outside of the package: %s', async (_what, source, file) => {
    const files = {
      'plugin/main.js': source,
      'plugin/node_modules/a/package.json': '{"name":"a"}',
      'plugin/node_modules/a/index.js': '',
    };
    expect(await refusal(files)).toEqual([expect.stringMatching(outside(`../outside/${file}`))]);
  });

  it('keeps out what the map of a package leads to', async () => {
    const files = {
      'plugin/main.js': `import x from './x.js'; export default x;`,
      'plugin/x.js': '',
      'plugin/package.json': '{"name":"plugin","browser":{"./x.js":"../outside/secret.json"}}',
    };
    expect(await refusal(files)).toEqual([expect.stringMatching(outside('../outside/secret.json'))]);
  });

  it('keeps out what a tsconfig.json leads to', async () => {
    const files = {
      'plugin/main.ts': `import x from 'mapped'; export default x;`,
      'plugin/tsconfig.json': '{"compilerOptions":{"paths":{"mapped":["../outside/secret.json"]}}}',
    };
    expect(await refusal(files)).toEqual([expect.stringContaining('Could not resolve "mapped"')]);
  });

  it.each(['/etc/passwd', '/etc/hostname.json', '//etc/hostname.js'])(
    'refuses an absolute path: %s',
    async (path) => {
      expect(
        await refusal({ 'plugin/main.js': `import x from ${JSON.stringify(path)}; export default x;` }),
      ).toEqual([
        `main.js:1:15: imports ${JSON.stringify(path)}, an absolute path; what a program imports lies in its package or in node_modules`,
      ]);
    },
  );

  it.each(['data:application/json,1', 'https://example.com/a.js', 'file:///etc/hostname.json'])(
    'refuses a URL: %s',
    async (url) => {
      expect(
        await refusal({ 'plugin/main.js': `import x from ${JSON.stringify(url)}; export default x;` }),
      ).toEqual([
        `main.js:1:15: imports ${JSON.stringify(url)}, a URL; what a program imports lies in its package or in node_modules`,
      ]);
    },
  );

  it.each([
    ['a file', 'secret.js', './link.js', 'link.js'],
    ['a folder', '.', './link/secret.js', 'link'],
    ['a package', '.', 'linked/secret.js', 'node_modules/linked'],
    ['node_modules', '.', 'secret.js', 'node_modules'],
  ])('follows no symbolic link out of the package: %s', async (_what, target, specifier, link) => {
    const files = { 'plugin/main.js': `import x from '${specifier}'; export default x;` };
    const faults = await refusal(files, (place) => {
      mkdirSync(dirname(join(place, 'plugin', link)), { recursive: true });
      symlinkSync(join(place, 'outside', target), join(place, 'plugin', link));
    });
    expect(faults).toEqual([expect.stringMatching(outside('../outside/secret.js'))]);
  });

  it('follows no link that stands for the module itself', async () => {
    const files = { 'plugin/package.json': '{"name":"plugin"}' };
    const module = join(dirname(written(files)), 'main.js');
    symlinkSync(written({ 'secret.js': 'export default "THE SECRET";' }), module);
    await expect(bundle(module)).rejects.toThrow('is outside of the package of the module');
  });

  it.each(['text', 'bytes', 'file'])('takes no import attribute but json: %s', async (type) => {
    const files = {
      'plugin/main.js': `import x from './x.js' with { type: '${type}' }; export default x;`,
      'plugin/x.js': '',
    };
    expect(await refusal(files)).toEqual([
      `main.js:1:15: "x.js" is imported with { type: "${type}" }; the one attribute that is taken is { type: "json" }`,
    ]);
  });

  it.each(['x.txt', 'x.css', 'x.jsx', 'x.node', 'noextension', '.env'])(
    'takes no file but of JavaScript, TypeScript and JSON: %s',
    async (name) => {
      const files = {
        'plugin/main.js': `import x from './${name}'; export default x;`,
        [`plugin/${name}`]: 'THE SECRET',
      };
      expect(await refusal(files)).toEqual([
        `main.js:1:15: "${name}" is none of .js, .mjs, .cjs, .ts, .mts, .cts and .json, which is all that goes into a program`,
      ]);
    },
  );

  it('takes nothing of a folder that is withheld, though it is in the package', async () => {
    const files = {
      'plugin/main.js': `import x from './data/x.json'; export default x;`,
      'plugin/package.json': '{"name":"plugin"}',
      'plugin/data/x.json': '"THE SECRET"',
    };
    const faults = await refusal(
      files,
      () => {},
      (place) => [join(place, 'plugin/data')],
    );
    expect(faults).toEqual([
      'main.js:1:15: "data/x.json" is in a folder that is withheld from every program',
    ]);
  });

  it('takes what is in the package above the module, and in every node_modules above that', async () => {
    const module = written({
      'apps/plugin/src/main.js': `
        import name from '../name.json' with { type: 'json' }; import near from 'near'; import far from 'far';
        export default [name, near, far];`,
      'apps/plugin/package.json': '{"name":"plugin"}',
      'apps/plugin/name.json': '"name"',
      'apps/plugin/node_modules/near/index.js': 'module.exports = "near";',
      'node_modules/.pnpm/far/node_modules/far/index.js': 'module.exports = "far";',
    });
    const place = join(dirname(module), '../../..');
    symlinkSync('.pnpm/far/node_modules/far', join(place, 'node_modules/far'));
    expect(evaluate(await bundle(module))).toEqual(['name', 'near', 'far']);
  });

  it('is the same for a module that is reached by a linked folder', async () => {
    const module = written({
      'releases/1/main.js': `import x from './x.js'; export default x;`,
      'releases/1/x.js': 'export default 1;',
    });
    const current = join(dirname(module), '../../current');
    symlinkSync('releases/1', current);
    expect(evaluate(await bundle(join(current, 'main.js')))).toBe(1);
  });
});
