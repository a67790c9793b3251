/**
 * Makes one script of a domain's module and everything that it imports, npm packages included: a program
 * without imports, whose value is the module's default export. It runs in a process of its own (bundle-process.ts) or in a
 * build, never in a domain's thread nor in the broker, and executes none of what it reads. What it may read is said in
 * bundle-wall.ts.
 *
 * The same files give the same text on every machine: no source map, no path, no environment goes into it.
 *
 * A domain has no Node, so a module of Node's is refused, by name and with the file that asks for it. A
 * package's *optional probe* is let through: a `require` of it inside `try`, which in the domain throws as it
 * does in a browser. So is what a package replaces or leaves out by the `browser` field of its package.json.
 */

import { realpath } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';
import { type BuildFailure, build, type Message } from 'esbuild';
import { BundleError } from './bundle-error.js';
import { bundleWall, LOADERS } from './bundle-wall.js';
import { respell } from './ses-spelling.js';
import { guardSource, SourceRefused } from './source-guard.js';

export interface BundleOptions {
  /** Folders of which nothing may go into a program, in whatever package they are. */
  readonly withheld?: readonly string[];
}

/**
 * The program of the module at the path `module` (.ts, .mts, .cts, .js, .mjs, .cjs).
 *
 * @throws BundleError with every fault that was found.
 */
export async function bundle(module: string, options: BundleOptions = {}): Promise<string> {
  const path = resolve(module);
  let folder: string;
  try {
    folder = await realpath(dirname(path));
  } catch (error) {
    throw new BundleError(module, [`its folder cannot be read (${(error as NodeJS.ErrnoException).code})`]);
  }
  try {
    const wall = await bundleWall(folder, options.withheld ?? []);
    const result = await build({
      stdin: {
        contents: `export { default } from ${JSON.stringify(`./${basename(path)}`)};`,
        resolveDir: folder,
        sourcefile: 'domain',
      },
      absWorkingDir: folder,
      plugins: [wall],
      loader: { ...LOADERS },
      // Empty ones: neither a tsconfig.json nor the environment may say where modules are.
      tsconfigRaw: {},
      nodePaths: [],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'program',
      footer: { js: 'program.default;' },
      platform: 'browser',
      mainFields: ['browser', 'module', 'main'],
      conditions: ['sturdy', 'production'],
      target: 'es2022',
      define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
      // Not for size: comments and the names of wrapped modules carry paths.
      minifyWhitespace: true,
      minifyIdentifiers: true,
      keepNames: true,
      legalComments: 'none',
      sourcemap: false,
      charset: 'utf8',
      logLevel: 'silent',
      logOverride: { 'empty-import-meta': 'error' },
    });
    const source = respell(result.outputFiles[0]!.text);
    guardSource(source);
    return source;
  } catch (error) {
    if (error instanceof SourceRefused) throw new BundleError(module, [`in the bundle, ${error.message}`]);
    if (!isBuildFailure(error)) throw error;
    throw new BundleError(
      module,
      error.errors.map((message) => fault(message, folder)),
    );
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && Array.isArray((error as Partial<BuildFailure>).errors);
}

function fault({ text, location }: Message, folder: string): string {
  const where = location ? `${shown(location.file, folder)}:${location.line}:${location.column + 1}: ` : '';
  return where + explained(text);
}

function explained(text: string): string {
  const missing = /^Could not resolve "([^"]+)"/.exec(text)?.[1];
  if (missing !== undefined && isBuiltin(missing)) {
    return (
      `imports ${JSON.stringify(missing)}, a module of Node, and a domain has no Node; ` +
      'what it needs of the world has to be granted to it as a capability'
    );
  }
  if (text.includes('"import.meta" is not available')) {
    return '`import.meta` is refused: a program has no place of its own';
  }
  return text;
}

function isBuiltin(name: string): boolean {
  return name.startsWith('node:') || builtinModules.includes(name.split('/')[0]!);
}

function shown(file: string, folder: string): string {
  return isAbsolute(file) ? relative(folder, file) : file;
}
