/**
 * A directory and what is below it, as a capability: Directory of schema/sturdy.capnp. What is reached is found by handles (rooted.ts),
 * never by a path from the root of this machine; only regular files are read or written, and nothing else is even opened.
 *
 * The calls of all capabilities to one configured directory share its limits (DirectoryShare).
 */
import { isUtf8 } from 'node:buffer';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, rmdir, unlink } from 'node:fs/promises';
import { type CallContext, RpcError, type Stub, serve } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';
import { MAX_LISTING } from '../store/store.js';
import type { DirectoryShare } from './directory-share.js';
import { descend, find, type Held, MAX_PATH_PARTS, openRoot, partsOf } from './rooted.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** The limits of one call. */
export const MAX_FILE_BYTES_READ = 1 << 20;
export const MAX_FILE_BYTES_WRITTEN = 1 << 20;

const KINDS = ['other', 'file', 'directory'] as const;
type Kind = (typeof KINDS)[number];

/** Where a capability is rooted, below which directory of the configuration. Owned. */
interface Place {
  readonly top: Held;
  readonly here: Held;
  /** Of `here` below `top`. */
  readonly depth: number;
}

export class DirectoryPower {
  #place: Promise<Place> | null;
  #gone = false;

  /** @param place null: the root, which is opened when it is first used. Taken over, also where this throws. */
  constructor(
    private readonly share: DirectoryShare,
    private readonly writable: boolean,
    place: Place | null = null,
  ) {
    this.#place = place === null ? null : Promise.resolve(place);
    try {
      share.enter();
    } catch (error) {
      if (place !== null) release(place);
      throw error;
    }
  }

  list({ path, after, limit }: { path: string; after: string; limit: number }): Promise<object> {
    const behind = Buffer.from(after);
    const most = limit === 0 ? MAX_LISTING : Math.min(limit, MAX_LISTING);
    return this.#at(path, async (place, parts) => {
      const directory = await descend(place.here, parts);
      try {
        const found: { name: Buffer; kind: Kind }[] = [];
        let seen = 0;
        const entries = await opendir(directory.path, { encoding: 'buffer' as BufferEncoding });
        for await (const entry of entries) {
          if (++seen > this.share.maxEntries)
            throw failed('LISTING', `${show(path)} has more than ${this.share.listingLimit}`);
          const name = entry.name as unknown as Buffer;
          if (isUtf8(name) && Buffer.compare(name, behind) > 0) found.push({ name, kind: kindOf(entry) });
        }
        found.sort((a, b) => Buffer.compare(a.name, b.name));
        return { entries: found.slice(0, most).map(({ name, kind }) => ({ name: name.toString(), kind })) };
      } finally {
        directory.release();
      }
    });
  }

  stat({ path }: { path: string }): Promise<object> {
    return this.#at(path, async (place, parts) => {
      const found = await this.#find(place, parts);
      try {
        const stat = await found.stat();
        return {
          stat: { kind: kindOf(stat), size: stat.isFile() ? stat.size : 0n, modified: stat.mtimeMs },
        };
      } finally {
        found.release();
      }
    });
  }

  read({ path, offset, length }: { path: string; offset: bigint; length: number }): Promise<object> {
    const from = positionOf(offset);
    if (length > MAX_FILE_BYTES_READ)
      throw failed('SIZE', `length: ${length} bytes; at most ${MAX_FILE_BYTES_READ} are read at a time`);
    return this.#at(path, async (place, parts) => {
      const found = await this.#find(place, parts);
      try {
        const file = await openFile(found, await found.stat(), path, O_RDONLY);
        try {
          const data = new Uint8Array(length);
          let bytes = 0;
          while (bytes < length) {
            const { bytesRead } = await file.read(data, bytes, length - bytes, from + bytes);
            if (bytesRead === 0) break;
            bytes += bytesRead;
          }
          const { size } = await file.stat();
          return { data: data.subarray(0, bytes), end: from + bytes >= size };
        } finally {
          await file.close();
        }
      } finally {
        found.release();
      }
    });
  }

  write(asked: { path: string; offset: bigint; data: Uint8Array; truncate: boolean }): Promise<object> {
    const { path, data, truncate } = asked;
    const from = positionOf(asked.offset);
    if (data.length > MAX_FILE_BYTES_WRITTEN) {
      throw failed(
        'SIZE',
        `data: ${data.length} bytes; at most ${MAX_FILE_BYTES_WRITTEN} are written at a time`,
      );
    }
    const end = from + data.length;
    return this.#change(path, async ({ top }, parent, name) => {
      const { use } = this.share;
      const found = await find(parent, name).catch(unless('ENOENT'));
      let before = 0;
      let file: FileHandle;
      try {
        if (found === null) {
          await use.allow(top, 1, end);
          file = await open(parent.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK, 0o600);
          use.changed(1, 0);
        } else {
          const stat = await found.stat();
          if (stat.isFile() && stat.nlink > 1n)
            throw failed('LINKED', `${show(path)} has another name, and is not written by this one`);
          before = Number(stat.size);
          await use.allow(top, 0, Math.max(0, end - before));
          file = await openFile(found, stat, path, O_WRONLY);
        }
      } finally {
        found?.release();
      }
      try {
        let bytes = 0;
        while (bytes < data.length)
          bytes += (await file.write(data, bytes, data.length - bytes, from + bytes)).bytesWritten;
        if (truncate) await file.truncate(end);
        return {};
      } finally {
        // As it is, and not as it was to be: the disk may be full.
        const after = await file.stat().catch(() => null);
        if (after !== null) use.changed(0, after.size - before);
        await file.close();
      }
    });
  }

  remove({ path }: { path: string }): Promise<object> {
    return this.#change(path, async (_place, parent, name) => {
      const found = await find(parent, name);
      const stat = await found.stat().finally(() => found.release());
      if (stat.isDirectory()) await rmdir(parent.at(name));
      else await unlink(parent.at(name));
      this.share.use.changed(-1, stat.isFile() && stat.nlink === 1n ? -Number(stat.size) : 0);
      return {};
    });
  }

  makeDirectory({ path }: { path: string }): Promise<object> {
    return this.#change(path, async ({ top }, parent, name) => {
      await this.share.use.allow(top, 1, 0);
      await mkdir(parent.at(name), 0o700);
      this.share.use.changed(1, 0);
      return {};
    });
  }

  subdirectory({ path }: { path: string }, context: CallContext): Promise<object> {
    return this.#rootedAt(path, this.writable, context);
  }

  readOnly(_params: object, context: CallContext): Promise<object> {
    return this.#rootedAt('', false, context);
  }

  #rootedAt(path: string, writable: boolean, context: CallContext): Promise<object> {
    return this.#at(path, async ({ top, here, depth }, parts) => {
      const place = { here: await descend(here, parts), top: top.retain(), depth: depth + parts.length };
      const power = new DirectoryPower(this.share, writable, place);
      return { directory: context.use(serve<Stub>(sturdySchema().interface('Directory'), power)) };
    });
  }

  /** Works on what is at `path`, when it is its turn. */
  #at<T>(path: string, work: (place: Place, parts: readonly string[]) => Promise<T>): Promise<T> {
    const parts = partsOf(path);
    return this.share.atWork(async () => {
      const place = await this.#open();
      try {
        if (place.depth + parts.length > MAX_PATH_PARTS)
          throw failed('PATH', `path: more than ${MAX_PATH_PARTS} directories deep`);
        return await work(place, parts);
      } catch (error) {
        throw told(error, path);
      } finally {
        release(place);
      }
    });
  }

  /** The same for what changes the name `name` in the directory `parent`. */
  #change<T>(path: string, work: (place: Place, parent: Held, name: string) => Promise<T>): Promise<T> {
    if (!this.writable) throw failed('READ_ONLY', `the directory can only be read${this.share.modeSetting}`);
    if (path === '') throw failed('PATH', 'path: empty; expected that of something in the directory');
    return this.#at(path, async (place, parts) => {
      const parent = await descend(place.here, parts.slice(0, -1));
      try {
        return await this.share.use.inTurn(() => work(place, parent, parts.at(-1)!));
      } finally {
        parent.release();
      }
    });
  }

  async #find({ here }: Place, parts: readonly string[]): Promise<Held> {
    const name = parts.at(-1);
    if (name === undefined) return here.retain();
    const parent = await descend(here, parts.slice(0, -1));
    try {
      return await find(parent, name);
    } finally {
      parent.release();
    }
  }

  /** The place, held for one call. */
  async #open(): Promise<Place> {
    if (this.#gone)
      throw new RpcError('disconnected', 'the directory is gone', { code: 'ERR_DIRECTORY_GONE' });
    this.#place ??= openRoot(this.share.root).then((top) => ({ top, here: top.retain(), depth: 0 }));
    try {
      const { top, here, depth } = await this.#place;
      return { top: top.retain(), here: here.retain(), depth };
    } catch (error) {
      this.#place = null;
      throw told(error, '');
    }
  }

  /** The last reference is gone. Calls that are at work have hold of the place themselves. */
  [Symbol.dispose](): void {
    this.#gone = true;
    this.share.leave();
    this.#place?.then(release, () => {});
  }
}

function release({ top, here }: Place): void {
  here.release();
  top.release();
}

/** Opens a file that was found, and no other: by its handle, when it is known to be one. */
async function openFile(found: Held, stat: BigIntStats, path: string, flags: number): Promise<FileHandle> {
  if (!stat.isFile()) {
    const what = stat.isDirectory() ? 'a directory' : stat.isSymbolicLink() ? 'a symbolic link' : 'no file';
    throw failed('NOT_A_FILE', `${show(path)} is ${what}`);
  }
  return open(found.path, flags | O_NONBLOCK);
}

function kindOf(entry: { isFile(): boolean; isDirectory(): boolean }): Kind {
  return entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : 'other';
}

function positionOf(offset: bigint): number {
  if (offset > BigInt(2 ** 52)) throw failed('SIZE', `offset: ${offset}; no file is as long as that`);
  return Number(offset);
}

function unless(code: string): (error: NodeJS.ErrnoException) => null {
  return (error) => {
    if (error.code === code) return null;
    throw error;
  };
}

function show(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200).toWellFormed()}…` : path);
}

function failed(code: string, message: string): RpcError {
  return new RpcError('failed', message, { code: `ERR_DIRECTORY_${code}` });
}

/** What the guest is told: nothing of where on this machine it is. */
function told(error: unknown, path: string): RpcError {
  if (error instanceof RpcError) return error;
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  const why = REASONS[code] ?? 'cannot be used';
  const type = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EMFILE' ? 'overloaded' : 'failed';
  return new RpcError(type, `${show(path)} ${why} (${code})`, {
    code: code === 'ENOENT' ? 'ERR_DIRECTORY_NOT_FOUND' : 'ERR_DIRECTORY',
    cause: error,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  ENOTDIR: 'goes through what is not a directory, or through a symbolic link',
  ELOOP: 'goes through a symbolic link',
  EACCES: "is not for the broker's user",
  EPERM: "is not for the broker's user",
  EEXIST: 'is there already',
  ENOTEMPTY: 'is a directory with something in it',
  ENOSPC: 'does not fit on the disk',
  EDQUOT: 'does not fit on the disk',
  EROFS: 'is on a disk that cannot be written to',
  EMFILE: 'cannot be opened now: the broker has too many files open',
};
