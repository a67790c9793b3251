/**
 * What is built once and kept, under a name that says what it was made of: programs, generated code. It stands outside
 * the repository, in a folder of the user's own.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** The folder, made. */
export async function cacheFolder(): Promise<string> {
  const cache = join(tmpdir(), `sturdy-interop-${userInfo().uid}`);
  await mkdir(cache, { recursive: true, mode: 0o700 });
  return cache;
}

/** The path of what `make` makes, a file or a folder, made once and whole. */
export async function kept(name: string, make: (path: string) => Promise<void>): Promise<string> {
  const cache = await cacheFolder();
  const path = join(cache, name);
  if (existsSync(path)) return path;
  const work = await mkdtemp(join(cache, 'work-'));
  await make(join(work, name));
  try {
    await rename(join(work, name), path);
  } catch (error) {
    // Somebody else has made it in the meantime.
    if (!existsSync(path)) throw error;
  }
  await rm(work, { recursive: true });
  return path;
}
