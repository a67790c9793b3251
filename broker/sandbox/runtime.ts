/**
 * What a host needs to run, and nothing more of this machine: the Node binary, the libraries that it is linked with, Sturdy's own layers up
 * to worker/, and the npm packages that those import. Each is named with where it is here and where it is in the sandbox.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** Read-only, at `to` in the sandbox. */
export interface Bind {
  readonly from: string;
  readonly to: string;
}

export interface Runtime {
  /** Sturdy's own modules and the packages that they import. */
  readonly modules: readonly Bind[];
  /** Symbolic links here by which Node comes to them. */
  readonly links: readonly string[];
  /** The path of the host's module in the sandbox. */
  readonly module: string;
}

/** The path of Node in the sandbox. */
export const NODE = '/runtime/node';

/** The folder of the runtime in the sandbox. */
const HOME = '/runtime';

/** The layers that a host loads. */
const LAYERS = ['schema', 'rpc', 'worker'];

/** The packages that those import in a host. Of what these depend on, everything but what is optional. */
const PACKAGES = ['acorn', 'piscina', 'ses'];

/**
 * The runtime for the host whose built module is at `module`, as in dist/worker/host.js.
 * @throws Error with what is missing
 */
export function runtimeFor(module: string): Runtime {
  const root = packageRoot(module);
  const built = join(root, relative(root, module).split('/')[0]!);
  const inside = (path: string): string => join(HOME, relative(root, path));
  const folders = new Set([...LAYERS.map((layer) => join(built, layer)), dirname(module)]);
  const packages = packagesOf(root);
  return {
    module: inside(module),
    modules: [
      ...[join(root, 'package.json'), ...folders].map((from) => ({ from, to: inside(from) })),
      ...packages,
    ],
    links: linksIn(packages.map(({ by }) => by)),
  };
}

function packageRoot(module: string): string {
  for (let folder = dirname(module); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  throw new Error(`no package.json at or above ${module}`);
}

/**
 * Node, the loader and the shared libraries, at the paths at which the loader looks for them, and its list of where they are.
 * @throws Error with what is missing
 */
export function nodeBinds(): Bind[] {
  const binary = process.execPath;
  let printed: string;
  try {
    printed = execFileSync('ldd', [binary], {
      env: { PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
      stdio: 'pipe',
    });
  } catch (cause) {
    throw new Error(`the libraries of ${binary} are not known: ldd failed (${(cause as Error).message})`, {
      cause,
    });
  }
  const paths = new Set<string>();
  for (const line of printed.split('\n')) {
    const [, library] = /^\s*(?:\S+ => )?(\/\S+) \(0x/.exec(line) ?? [];
    if (library !== undefined) paths.add(library);
    else if (line.includes('not found')) throw new Error(`a library of ${binary} is missing: ${line.trim()}`);
  }
  if (existsSync('/etc/ld.so.cache')) paths.add('/etc/ld.so.cache');
  return [{ from: binary, to: NODE }, ...[...paths].map((path) => ({ from: realpathSync(path), to: path }))];
}

/**
 * The packages and what they depend on, and by which path they are imported. In the sandbox all of them are beside each other: there may be
 * one version of each.
 */
function packagesOf(root: string): (Bind & { readonly by: string })[] {
  const found = new Map<string, string>();
  const add = (name: string, from: string): void => {
    const folder = packageFolder(name, from);
    const known = found.get(name);
    if (known === folder) return;
    if (known !== undefined) throw new Error(`two versions of ${name} are installed: ${known} and ${folder}`);
    found.set(name, folder);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(dependencies)) add(dependency, folder);
  };
  for (const name of PACKAGES) add(name, root);
  return [...found].map(([name, from]) => {
    const inModules = join('node_modules', name);
    return { from, by: join(root, inModules), to: join(HOME, inModules) };
  });
}

function linksIn(paths: readonly string[]): string[] {
  const links = new Set<string>();
  for (const path of paths) {
    for (let at = path; at !== dirname(at); at = dirname(at)) {
      if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) links.add(at);
    }
  }
  return [...links];
}

/** Where Node would find it: not by what it exports, which need not have its package.json. */
function packageFolder(name: string, from: string): string {
  const folders = createRequire(join(from, 'package.json')).resolve.paths(name) ?? [];
  const folder = folders
    .map((each) => join(each, name))
    .find((each) => existsSync(join(each, 'package.json')));
  if (folder === undefined)
    throw new Error(`the package ${name} is not installed where ${from} could find it`);
  return realpathSync(folder);
}
