/** A file with a secret in it: mode 0600, on disk under its name when it is written, or as it was before. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Rejects with the system's error, and leaves nothing half written. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const made = `${path}.new`;
  // One that is there is of a process that was killed.
  await rm(made, { force: true });
  const file = await open(made, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(made, path);
  const names = await open(dirname(path), 'r');
  try {
    await names.sync();
  } finally {
    await names.close();
  }
}
