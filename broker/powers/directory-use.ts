/**
 * What is in a directory that a domain may write to, and what may be: files, directories and bytes, counted when the domain first
 * writes, and from then on by what it does itself. Changes are made one at a time, so that two of them do not both take the last of it.
 */
import { opendir } from 'node:fs/promises';
import { RpcError } from '../../rpc/index.js';
import { find, type Held, MAX_PATH_PARTS } from './rooted.js';

export interface DirectoryQuota {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

interface Counted {
  entries: number;
  bytes: number;
}

export class DirectoryUse {
  /** Null: not counted yet, or more than may be. */
  #counted: Counted | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** @param at where the directory stands in the configuration, for errors */
  constructor(
    private readonly quota: DirectoryQuota,
    private readonly at: string,
  ) {}

  /** Runs `change` when those before it have ended. */
  inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Within a turn: whether there may be so much more. `root` is the directory that all of it is in. */
  async allow(root: Held, entries: number, bytes: number): Promise<void> {
    const { maxEntries, maxBytes } = this.quota;
    this.#counted ??= await this.#count(root);
    const there = this.#counted ?? { entries: maxEntries, bytes: maxBytes };
    if (entries > 0 && there.entries + entries > maxEntries)
      throw this.#over(`more than ${maxEntries} files and directories`, 'maxEntries');
    if (bytes > 0 && there.bytes + bytes > maxBytes)
      throw this.#over(`more than ${maxBytes} bytes`, 'maxBytes');
  }

  /** Within a turn: it has come to this. */
  changed(entries: number, bytes: number): void {
    if (this.#counted === null) return;
    this.#counted.entries = Math.max(0, this.#counted.entries + entries);
    this.#counted.bytes = Math.max(0, this.#counted.bytes + bytes);
  }

  #over(what: string, setting: string): RpcError {
    return new RpcError('overloaded', `the directory would have ${what} (${this.at}.${setting})`, {
      code: 'ERR_DIRECTORY_QUOTA',
    });
  }

  /** Null where there is more than may be, or deeper than a path goes: no longer than that is counted. */
  async #count(root: Held): Promise<Counted | null> {
    const counted = { entries: 0, bytes: 0 };
    return (await this.#add(root, 0, counted)) ? counted : null;
  }

  /** Adds what is in `directory`, and whether all of that may be. One handle is held for each level. */
  async #add(directory: Held, depth: number, counted: Counted): Promise<boolean> {
    if (depth > MAX_PATH_PARTS) return false;
    for await (const { name } of await opendir(directory.path)) {
      counted.entries++;
      // A name that is not UTF-8, and what is gone meanwhile, has no size.
      const found = await find(directory, name).catch(() => null);
      if (found === null) continue;
      try {
        const stat = await found.stat();
        if (stat.isFile()) counted.bytes += Number(stat.size);
        else if (stat.isDirectory() && !(await this.#add(found, depth + 1, counted))) return false;
      } finally {
        found.release();
      }
      if (counted.entries > this.quota.maxEntries || counted.bytes > this.quota.maxBytes) return false;
    }
    return true;
  }
}
