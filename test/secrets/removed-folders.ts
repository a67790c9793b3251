/**
 * What tests write into their temporary folders has to be looked at, and they remove it when they are done. So that it is there then,
 * their folders are noted, and what they remove of them as a whole is moved aside instead.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve, sep } from 'node:path';

export class RemovedFolders {
  readonly #made = new Set<string>();
  #moved = 0;

  /** @param aside on the file system of temporary folders */
  constructor(private readonly aside: string) {
    const { mkdtempSync, rmSync } = fs;
    const { mkdtemp, rm } = fs.promises;
    const noted = <Path>(path: Path): Path => {
      this.#made.add(String(path));
      return path;
    };
    Object.assign(fs, {
      mkdtempSync: (...args: Parameters<typeof mkdtempSync>) => noted(mkdtempSync(...args)),
      rmSync: (path: fs.PathLike, options?: fs.RmOptions) => {
        if (!this.#move(path, options)) rmSync(path, options);
      },
    });
    Object.assign(fs.promises, {
      mkdtemp: async (...args: Parameters<typeof mkdtemp>) => noted(await mkdtemp(...args)),
      rm: async (path: fs.PathLike, options?: fs.RmOptions) => {
        if (!this.#move(path, options)) await rm(path, options);
      },
    });
    syncBuiltinESMExports();
  }

  /** The folders that are there: those that were moved aside, and those that nobody has removed. */
  left(): string[] {
    const moved = fs.readdirSync(this.aside).map((name) => join(this.aside, name));
    return [...moved, ...[...this.#made].filter((path) => fs.existsSync(path))];
  }

  /** Whether it was; where it could not be, it is removed as it would have been. */
  #move(path: fs.PathLike, options: fs.RmOptions | undefined): boolean {
    const folder = resolve(String(path));
    if (options?.recursive !== true || !this.#isOurs(folder)) return false;
    try {
      fs.renameSync(folder, join(this.aside, `${this.#moved}`));
      this.#moved += 1;
      return true;
    } catch {
      return false;
    }
  }

  #isOurs(folder: string): boolean {
    if (!folder.startsWith(tmpdir() + sep) || folder.startsWith(this.aside)) return false;
    return [...this.#made].some((made) => folder === made || folder.startsWith(made + sep));
  }
}
