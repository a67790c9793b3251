/**
 * The private socket, where domains enter: in a folder of its own among the temporary files, because the path of a unix socket
 * is at most 107 bytes long. A broker that was killed leaves its folder behind; the next one removes it.
 *
 * The socket gets its name when it listens: one that has the name and does not answer is of a broker that is gone.
 */
import { lstat, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenSocket } from '../rpc/index.js';
import { isListening } from './listening.js';

const PREFIX = 'sturdy-';
/** As mkdtemp makes them. */
const FOLDER = /^sturdy-[A-Za-z0-9]{6}$/;
const NAME = 'domains.sock';

export interface PrivateSocket {
  readonly path: string;
  /** Takes no more connections, and removes the folder. */
  close(): Promise<void>;
}

export async function openPrivateSocket(accept: (socket: Socket) => void): Promise<PrivateSocket> {
  await removeStale(tmpdir());
  const folder = await mkdtemp(join(tmpdir(), PREFIX));
  const unseen = join(folder, 'domains.new');
  const path = join(folder, NAME);
  const listener = await listenSocket({ path: unseen }, accept);
  await rename(unseen, path);
  return {
    path,
    close: async () => {
      await listener.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Only what is like ours in everything: another's folder, or one with something else in it, is left alone. */
async function removeStale(among: string): Promise<void> {
  for (const name of await readdir(among)) {
    if (!FOLDER.test(name)) continue;
    const folder = join(among, name);
    const socket = join(folder, NAME);
    try {
      const found = await lstat(folder);
      if (!found.isDirectory() || found.uid !== process.getuid?.()) continue;
      if (!(await lstat(socket)).isSocket() || (await isListening(socket))) continue;
      await rm(socket);
      await rmdir(folder);
    } catch {
      // It is none of ours, or another broker has just removed it. Nothing depends on it.
    }
  }
}
