/**
 * A secret, as a capability: Secret of schema/sturdy.capnp. Its value comes from a file of the operator's, and goes to where it may be
 * used, and nowhere else: no method gives it, and nothing prints it.
 */
import { open } from 'node:fs/promises';
import { RpcError } from '../../rpc/index.js';
import { StartupError } from '../startup-error.js';
import type { SecretUses } from './secret-uses.js';
import type { SecretSettings } from './settings.js';

/** In bytes. */
export const MAX_SECRET = 8192;

export class SecretPower {
  readonly #value: string;
  readonly #settings: SecretSettings;
  readonly #uses: SecretUses;

  /** @param name under which the domain has it, for errors */
  constructor(
    readonly name: string,
    value: string,
    settings: SecretSettings,
    uses: SecretUses,
  ) {
    this.#value = value;
    this.#settings = settings;
    this.#uses = uses;
  }

  redeem({ ticket }: { ticket: Uint8Array }): Record<string, never> {
    this.#uses.redeem(ticket, ({ origin, header }) => {
      const { origins, headers } = this.#settings;
      if (!origins.includes(origin)) {
        throw refused(`the secret ${this.name} is not for ${origin}; it is for ${origins.join(', ')}`);
      }
      if (!headers.includes(header)) {
        throw refused(
          `the secret ${this.name} is not for a header ${header}; it is for ${headers.join(', ')}`,
        );
      }
      return this.#value;
    });
    return {};
  }
}

function refused(message: string): RpcError {
  return new RpcError('failed', message, { code: 'ERR_SECRET_USE' });
}

/**
 * The value in the file, which nobody else may read. `at` is where the secret stands in the configuration.
 * @throws StartupError
 */
export async function readSecret(path: string, at: string): Promise<string> {
  let bytes: Buffer;
  try {
    const file = await open(path, 'r');
    try {
      const found = await file.stat();
      const mode = found.mode & 0o777;
      if (!found.isFile()) throw new StartupError(`${at}.file: ${path} is not a file`);
      if ((mode & 0o077) !== 0) {
        throw new StartupError(
          `${at}.file: ${path} has the mode ${mode.toString(8).padStart(4, '0')}, and others could read or change it; expected 0600`,
        );
      }
      if (found.size > MAX_SECRET + 2) {
        throw new StartupError(
          `${at}.file: ${path} has ${found.size} bytes; at most ${MAX_SECRET} are a secret`,
        );
      }
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof StartupError) throw cause;
    throw new StartupError(`${at}.file: cannot read ${path}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  }
  const value = bytes.toString('latin1').replace(/\r?\n$/, '');
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) {
    throw new StartupError(
      `${at}.file: ${path}: expected one line of printable ASCII, which can stand in a header; what is in it is not shown`,
    );
  }
  return value;
}
