/**
 * What may go into a domain's program: files of JavaScript, TypeScript and JSON that lie in the module's own package (the
 * folder of the nearest package.json) or in a node_modules folder that it can reach. The bundler reads with the rights of
 * the broker's user, and a module whose author nobody trusts says what it reads: without this wall, the module would have
 * every file of that user.
 *
 * A file is judged by where it really is, behind all symbolic links, when it is about to be read, however it was found:
 * by a relative path, a pattern, a package's own map. What is refused before it is even looked for is refused only for
 * the sake of the message.
 */

import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { Loader, OnLoadArgs, OnResolveArgs, Plugin } from 'esbuild';

export const LOADERS: Readonly<Record<string, Loader>> = {
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.json': 'json',
};

/** A plugin for one module, whose folder is the real path `folder`. Nothing of the folders `withheld` is let through. */
export async function bundleWall(folder: string, withheld: readonly string[]): Promise<Plugin> {
  const admitted = await admittedFrom(folder);
  const never = await Promise.all(withheld.map((each) => realpath(each).catch(() => resolve(each))));
  const fault = (file: string): string | null => {
    const shown = JSON.stringify(relative(folder, file));
    if (never.some((each) => isIn(each, file)))
      return `${shown} is in a folder that is withheld from every program`;
    if (admitted.some((each) => isIn(each, file))) return null;
    return (
      `${shown} is outside of the package of the module and of the node_modules that it can reach; ` +
      'copy it into the package'
    );
  };
  return {
    name: 'bundle-wall',
    setup(builder) {
      builder.onResolve({ filter: /.*/ }, ({ path, resolveDir }: OnResolveArgs) => {
        const text =
          spelledWrong(path) ?? (/^\.\.?(\/|$)/.test(path) ? fault(resolve(resolveDir, path)) : null);
        return text === null ? undefined : { errors: [{ text }] };
      });
      builder.onLoad({ filter: /.*/ }, async ({ path, namespace, with: attributes }: OnLoadArgs) => {
        // A module of Node's that a package leaves out by its browser field: esbuild makes it empty, and reads nothing.
        if (namespace === '') return undefined;
        if (namespace !== 'file') return { errors: [{ text: `${namespace}:${path} is not a file` }] };
        const file = await realpath(path).catch(() => null);
        // esbuild says that it is not there.
        if (file === null) return undefined;
        const shown = JSON.stringify(relative(folder, file));
        const text = fault(file) ?? attributeFault(shown, attributes) ?? kindFault(shown, file);
        // Not read here: what esbuild has left out (a browser field that says `false`) is given as a file like any other.
        return text === null ? undefined : { errors: [{ text }] };
      });
    },
  };
}

/** The package of a module in `folder`, and every node_modules on the way from there to the root. */
async function admittedFrom(folder: string): Promise<string[]> {
  const above: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    above.push(at);
    if (at === dirname(at)) break;
  }
  const admitted = [above.find((each) => existsSync(join(each, 'package.json'))) ?? folder];
  for (const each of above) {
    const modules = await realpath(join(each, 'node_modules')).catch(() => null);
    // A link may lead to the node_modules of another place, and to nothing else.
    if (modules !== null && basename(modules) === 'node_modules' && (await stat(modules)).isDirectory())
      admitted.push(modules);
  }
  return admitted;
}

function isIn(folder: string, file: string): boolean {
  return file === folder || file.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function spelledWrong(specifier: string): string | null {
  const lies = 'what a program imports lies in its package or in node_modules';
  if (isAbsolute(specifier)) return `imports ${JSON.stringify(specifier)}, an absolute path; ${lies}`;
  if (/^[a-z][a-z0-9+.-]*:/i.test(specifier) && !specifier.startsWith('node:'))
    return `imports ${JSON.stringify(specifier)}, a URL; ${lies}`;
  return null;
}

function attributeFault(shown: string, attributes: Readonly<Record<string, string>>): string | null {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'type' && value === 'json') continue;
    return `${shown} is imported with { ${key}: ${JSON.stringify(value)} }; the one attribute that is taken is { type: "json" }`;
  }
  return null;
}

function kindFault(shown: string, file: string): string | null {
  if (Object.hasOwn(LOADERS, extname(file))) return null;
  const kinds = Object.keys(LOADERS);
  return `${shown} is none of ${kinds.slice(0, -1).join(', ')} and ${kinds.at(-1)}, which is all that goes into a program`;
}
