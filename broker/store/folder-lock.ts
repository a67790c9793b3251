/**
 * Keeps a second broker out of a data folder, by something that the operating system takes away with the process: a
 * listening unix socket. A lock file with a pid in it would outlive a `kill -9`, and the pid might be another's by then.
 *
 * Each contender makes a socket of its own, under a name that is never used again, and then tries to connect to
 * everybody else's. The kernel answers for the owner, even one that is stopped: whoever listens is alive, whoever
 * refuses is gone and its name may be removed. A socket listens before it gets its name in the folder, and a contender
 * looks only after it has its own: of two, the later one sees the earlier. When both see each other, both withdraw
 * and come again after a random pause. So two can never hold the folder; at worst none does for a moment.
 *
 * The name bears the pid, for the error message only.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isListening } from '../listening.js';
import { StoreError } from './store.js';

const ATTEMPTS = 6;
const NAME = /^broker-(\d+)-[0-9a-f]{16}\.lock$/;
/** sun_path of Linux has 108 bytes, of macOS 104, the last a NUL. */
const LONGEST_SOCKET_PATH = 103;

export interface FolderLock {
  release(): Promise<void>;
}

/** @throws StoreError ERR_STORE_HELD, naming the folder and the pid that holds it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const place = socketFolder(folder);
  try {
    for (let attempt = 1; ; attempt++) {
      const name = `broker-${process.pid}-${randomBytes(8).toString('hex')}.lock`;
      const server = await listen(place.path, folder, name);
      let holder: string | null;
      try {
        holder = await liveOther(place.path, folder, name);
      } catch (error) {
        await withdraw(server, folder, name);
        place.close();
        throw error;
      }
      if (holder === null) {
        let released: Promise<void> | undefined;
        return {
          release: () => {
            released ??= withdraw(server, folder, name).then(() => place.close());
            return released;
          },
        };
      }
      await withdraw(server, folder, name);
      if (attempt === ATTEMPTS) {
        throw new StoreError(
          'ERR_STORE_HELD',
          `the data folder ${folder} is held by another broker (process ${holder}); stop it first, or give this one ` +
            'a folder of its own',
        );
      }
      await pause(5 + Math.random() * 25 * attempt);
    }
  } catch (error) {
    place.close();
    throw error;
  }
}

/** A path to the folder that is short enough for a socket's name: through /proc where the real one is too long. */
function socketFolder(folder: string): { path: string; close(): void } {
  const longest = join(folder, `broker-4294967295-${'0'.repeat(16)}.new`);
  if (Buffer.byteLength(longest) <= LONGEST_SOCKET_PATH) return { path: folder, close() {} };
  if (process.platform !== 'linux') {
    throw new StoreError(
      'ERR_STORE_INVALID',
      `the path of the data folder ${folder} is too long for the socket that locks it; choose a shorter one`,
    );
  }
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  let isOpen = true;
  return {
    path: `/proc/self/fd/${descriptor}`,
    close() {
      if (isOpen) closeSync(descriptor);
      isOpen = false;
    },
  };
}

/** Listens under a name that nobody looks at, then takes the name that counts. */
async function listen(path: string, folder: string, name: string): Promise<Server> {
  const unseen = name.replace(/\.lock$/, '.new');
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(join(path, unseen), resolve);
  });
  server.unref();
  renameSync(join(folder, unseen), join(folder, name));
  return server;
}

async function withdraw(server: Server, folder: string, name: string): Promise<void> {
  rmSync(join(folder, name), { force: true });
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

/** The pid of another that is alive; null if there is none. Removes the names that the dead left. */
async function liveOther(path: string, folder: string, own: string): Promise<string | null> {
  for (const name of readdirSync(folder)) {
    const pid = NAME.exec(name)?.[1];
    if (pid === undefined || name === own) continue;
    if (await isListening(join(path, name))) return pid;
    rmSync(join(folder, name), { force: true });
  }
  return null;
}
