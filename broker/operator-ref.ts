/**
 * The operator's reference: a file in the data folder, mode 0600, which is the operator's power for whoever can read it. It is
 * never half written: a new file takes the place of the old one when it is on disk. Of the root grants to the operator's object,
 * the one in the file is the only one that is alive.
 */
import { chmod, lstat, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { SturdyAddress } from '../client/address.js';
import { SturdyRef } from '../client/sturdyref.js';
import type { Grants } from './grants.js';
import type { Home } from './home.js';
import { OPERATOR_OBJECT } from './operator.js';
import { writePrivateFile } from './private-file.js';
import { StartupError } from './startup-error.js';

export const OPERATOR_REF = 'operator.ref';

const OTHERS = 0o077;

/** Keeps others out of the data folder, which may have been made before the broker. @throws StartupError where it cannot */
export async function keepOthersOut(folder: string, log: Logger): Promise<void> {
  const { mode } = await stat(folder);
  if ((mode & OTHERS) === 0) return;
  try {
    await chmod(folder, 0o700);
  } catch (cause) {
    throw new StartupError(
      `data: others can enter ${folder} (mode ${octal(mode)}), and its mode cannot be changed: ` +
        `${(cause as NodeJS.ErrnoException).code}; make it 0700, or choose a folder of the broker's own`,
      { cause },
    );
  }
  log.warn({ was: octal(mode) }, 'the data folder was open to others; its mode is 0700 now');
}

export interface OperatorRefOptions {
  /** The data folder. */
  readonly folder: string;
  /** Where the broker listens. */
  readonly address: SturdyAddress;
  readonly grants: Grants;
  /** The home of the operator's object. */
  readonly home: Home;
  readonly log: Logger;
}

/** Sees to it that the file has a good reference with this address. @throws StartupError where it cannot be read or written */
export async function provideOperatorRef(options: OperatorRefOptions): Promise<void> {
  const { folder, address } = options;
  const path = join(folder, OPERATOR_REF);
  const found = await read(path);
  const secret = knownSecret(found, options) ?? (await newSecret(options));
  const text = `${SturdyRef.of(secret, address).format()}\n`;
  if (text !== found) await replace(path, text);
  else await closeToOthers(path, options.log);
}

/** Null: there is none. One that cannot be read is another thing: its grant must not be given up for that. */
async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new StartupError(`cannot read the operator's reference in ${path}: ${code}`, { cause });
  }
}

/** The secret in the file, if it is that of a live grant to the operator's object, and not of some other reference. */
function knownSecret(text: string | null, { grants, home }: OperatorRefOptions): Uint8Array | null {
  if (text === null) return null;
  let ref: SturdyRef;
  try {
    ref = SturdyRef.parse(text.trim());
  } catch {
    return null;
  }
  const grant = grants.find(ref.secret(), { kind: 'anyone' });
  const { parent, domainId, object } = grant?.row ?? {};
  return parent === null && domainId === home.id && object === OPERATOR_OBJECT ? ref.secret() : null;
}

/** Of a new grant. The old ones, whose reference was lost, die first: wherever this is cut short, it is done again. */
async function newSecret({ grants, home }: OperatorRefOptions): Promise<Uint8Array> {
  const old: string[] = [];
  for (let after = ''; ; ) {
    const rows = grants.rows(after, 1000);
    if (rows.length === 0) break;
    after = rows.at(-1)!.id;
    for (const { id, parent, domainId, object, revoked } of rows) {
      if (parent === null && revoked === null && domainId === home.id && object === OPERATOR_OBJECT) {
        old.push(id);
      }
    }
  }
  for (const id of old) await grants.revoke(id, 'its reference was lost');
  const { secret } = await grants.mint({
    parent: null,
    home,
    object: OPERATOR_OBJECT,
    label: 'the operator',
    by: old.length === 0 ? 'first start' : 'its reference was lost',
  });
  return secret!;
}

async function replace(path: string, text: string): Promise<void> {
  try {
    await writePrivateFile(path, text);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new StartupError(`cannot write the operator's reference to ${path}: ${code ?? message}`, { cause });
  }
}

async function closeToOthers(path: string, log: Logger): Promise<void> {
  const { mode } = await lstat(path);
  if ((mode & OTHERS) === 0) return;
  await chmod(path, 0o600);
  log.warn(
    { was: octal(mode) },
    `${OPERATOR_REF} could be read by others; its mode is 0600 now. Where one of them may have read it, remove it and start again`,
  );
}

const octal = (mode: number): string => `0${(mode & 0o777).toString(8)}`;
