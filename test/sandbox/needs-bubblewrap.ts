/** Whether tests of the sandbox run: on a machine without bubblewrap they are skipped, and say so; with CI=true that is a failure. */
import { findBubblewrap } from '../../broker/sandbox/bubblewrap.js';

const isThere = process.platform === 'linux' && findBubblewrap() !== null;

if (!isThere) {
  const message =
    'there is no bubblewrap on this machine: the tests of the sandbox cannot run (apt install bubblewrap)';
  if (process.env['CI'] === 'true') throw new Error(message);
  console.warn(message);
}

export const noSandbox = !isThere;
