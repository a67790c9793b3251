/**
 * Attempts of a whole module, which the bundler reads before anything of it is run. Behind the wall it is the module of a
 * domain; without it Node runs it, or a bundler that reads whatever it is told to.
 */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { type AnyStub, type Client, Running } from '../../broker/running.js';
import type { DrivenAttempt } from './escape-class.js';
import { infoOf, probeDomain, Wall } from './wall.js';

const run = promisify(execFile);

/** What lies outside of the module's package, and is not to be read. */
export const SECRET = 'what lies outside of the package';

export interface ModuleFiles {
  /** By their names in the package's folder; `entry.js` is the module. A default export has to give `{ main }`. */
  readonly files: Readonly<Record<string, string>>;
  /** Symbolic links in it, by their names, to paths relative to it. */
  readonly links?: Readonly<Record<string, string>>;
  /** Who takes the module without a wall. */
  readonly taker: 'node' | 'esbuild';
}

/** Why a program's tier does not matter to how it is made. */
export const MADE_BEFORE = 'a program is made before its domain has a place to run in';

/** `main.evaluate()` of the module has to give `{ outcome: 'out' }` where it got out. OUTSIDE stands for the folder above. */
export function moduleAttempt(module: ModuleFiles): DrivenAttempt {
  const number = modules.push(module) - 1;
  return {
    behind: async () => {
      const { running, client, operator } = await broker();
      try {
        const wall = await Wall.to(`module${number}`, 'thread', client, operator, running);
        return await wall.outcome('');
      } catch (error) {
        const { detail } = await infoOf(operator, `module${number}`);
        return detail === '' ? (error as Error).message : detail;
      }
    },
    without: async () => {
      const { entry, remove } = await inFolder(module);
      try {
        return await (module.taker === 'node' ? byNode(entry) : byEsbuild(entry));
      } finally {
        await remove();
      }
    },
  };
}

const modules: ModuleFiles[] = [];
let started: Promise<Modules> | null = null;

interface Modules {
  readonly running: Running;
  readonly client: Client;
  readonly operator: AnyStub;
  readonly folders: readonly Folder[];
}

/** One broker has a domain for each of the modules. */
function broker(): Promise<Modules> {
  started ??= (async () => {
    const folders = await Promise.all(modules.map(inFolder));
    const domains = folders.map(({ entry }, number) => [`module${number}`, probeDomain({ module: entry })]);
    const running = await Running.start(Object.fromEntries(domains));
    const client = await running.connect();
    return { running, client, operator: await running.operator(client), folders };
  })();
  return started;
}

/** Ends the broker, if there is one. */
export async function endModules(): Promise<void> {
  if (started === null) return;
  const { running, folders } = await started;
  await running.stop();
  for (const { remove } of folders) await remove();
}

async function byNode(entry: string): Promise<boolean> {
  const text = `import(process.argv[1]).then(async (it) => console.log((await (await it.default({})).main.evaluate()).outcome))`;
  const { stdout } = await run(process.execPath, ['--no-warnings', '-e', text, entry]);
  return stdout.trim() === 'out';
}

async function byEsbuild(entry: string): Promise<boolean> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    loader: { '.txt': 'text' },
    logLevel: 'silent',
  });
  return outputFiles[0]!.text.includes(SECRET);
}

interface Folder {
  readonly entry: string;
  remove(): Promise<void>;
}

async function inFolder({ files, links = {} }: ModuleFiles): Promise<Folder> {
  const outside = await mkdtemp(join(tmpdir(), 'sturdy-escape-'));
  const folder = join(outside, 'package');
  await mkdir(folder);
  await writeFile(join(outside, 'secret.json'), JSON.stringify({ secret: SECRET }));
  await writeFile(join(outside, 'secret.js'), `export const secret = ${JSON.stringify(SECRET)};`);
  const all = { 'package.json': '{ "type": "module" }', ...files };
  for (const [name, text] of Object.entries(all)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text.replaceAll('OUTSIDE', outside));
  }
  for (const [name, target] of Object.entries(links)) await symlink(target, join(folder, name));
  return {
    entry: join(folder, 'entry.js'),
    remove: () => rm(outside, { recursive: true, force: true }),
  };
}

/** The text of a module that imports `specifier`, and is out where `proof`, an expression of `it`, is true. */
export function importing(clause: string, specifier: string, proof: string): string {
  return `import ${clause} from '${specifier}';
export default () => ({ main: { evaluate: async () => ({ outcome: ${proof} ? 'out' : 'held' }) } });`;
}
