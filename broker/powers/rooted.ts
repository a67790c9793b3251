/**
 * A directory of this machine by its handle, and what is below it, one name at a time: what openat(2) does, by way of Linux's
 * `/proc/self/fd`. A name is only ever looked up in a directory that is held open, and never followed where it is a symbolic link:
 * so nothing that happens to the tree meanwhile leads out of it.
 *
 * A handle is closed when nobody uses it any more, never before: its number may be another file's then.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { RpcError } from '../../rpc/index.js';

/** Node does not name it: a handle to a place in the tree, which opens nothing there. */
const O_PATH = 0o10000000;
const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** A handle, and how many use it. */
export class Held {
  #users = 1;

  private constructor(
    private readonly handle: FileHandle,
    private readonly closed: () => void,
  ) {}

  /** @param closed told when the handle is given back */
  static async open(path: string, flags: number, closed: () => void = () => {}): Promise<Held> {
    return new Held(await open(path, flags), closed);
  }

  retain(): Held {
    if (this.#users === 0) throw new Error('a handle is used after it was closed');
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users > 0) return;
    // It was good when it was opened, and was only read by.
    void this.handle.close().catch(() => {});
    this.closed();
  }

  /** A path to the very thing that is held, for as long as it is held. */
  get path(): string {
    return `/proc/self/fd/${this.handle.fd}`;
  }

  /** Of a name in the directory that is held. */
  at(name: string): string {
    return `${this.path}/${name}`;
  }

  stat() {
    return this.handle.stat({ bigint: true });
  }
}

/** The limits of a path. */
export const MAX_PATH_PARTS = 64;
const MAX_NAME_BYTES = 255;

/** The names of a path; none: the directory itself. */
export function partsOf(path: string): string[] {
  if (path === '') return [];
  const parts = path.split('/', MAX_PATH_PARTS + 1);
  if (parts.length > MAX_PATH_PARTS) throw wrong(`more than ${MAX_PATH_PARTS} parts`);
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..')
      throw wrong(`expected names with a slash between two of them, as in a/b/c; none is empty, . or ..`);
    if (part.includes('\0')) throw wrong('a NUL in a name');
    if (!part.isWellFormed() || Buffer.byteLength(part) > MAX_NAME_BYTES)
      throw wrong(`a name has at most ${MAX_NAME_BYTES} bytes of UTF-8`);
  }
  return parts;
}

function wrong(why: string): RpcError {
  return new RpcError('failed', `path: ${why}`, { code: 'ERR_DIRECTORY_PATH' });
}

/** The root, wherever its path leads: that is the operator's. */
export function openRoot(path: string, closed?: () => void): Promise<Held> {
  return Held.open(path, O_PATH | O_DIRECTORY, closed);
}

/** The directory of these names below `from`: one more user of it, to be released. */
export async function descend(from: Held, parts: readonly string[]): Promise<Held> {
  let at = from.retain();
  for (const part of parts) {
    try {
      const next = await Held.open(at.at(part), O_PATH | O_DIRECTORY | O_NOFOLLOW);
      at.release();
      at = next;
    } catch (error) {
      at.release();
      throw error;
    }
  }
  return at;
}

/** What has this name in `parent`, whatever it is: a link is itself. To be released. */
export function find(parent: Held, name: string): Promise<Held> {
  return Held.open(parent.at(name), O_PATH | O_NOFOLLOW);
}

/** Whether this machine can hold a domain to a directory; if not, why. */
export async function whyNotRooted(): Promise<string | null> {
  if (process.platform !== 'linux') return `it needs Linux, and this is ${process.platform}`;
  try {
    const root = await openRoot('/');
    try {
      const again = await Held.open(root.path, O_PATH | O_DIRECTORY);
      again.release();
    } finally {
      root.release();
    }
    return null;
  } catch (error) {
    return `it needs /proc/self/fd (${(error as NodeJS.ErrnoException).code})`;
  }
}
