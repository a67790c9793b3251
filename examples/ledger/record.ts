/**
 * How the ledger writes its records: JSON in ASCII, because a compartment has no TextEncoder and storage
 * keeps bytes. Only the ledger's own records are read here, never what a caller sent.
 */

export interface AccountRecord {
  readonly balance: bigint;
  /** How many entries the account has; the newest has this number. */
  readonly entries: number;
  /** Of the newest entry, or of the opening. */
  readonly time: bigint;
}

export type Kind = 'deposit' | 'withdrawal' | 'sent' | 'received';

/** An entry as `ledger.capnp` describes it. */
export interface Entry {
  readonly number: number;
  readonly time: bigint;
  readonly kind: Kind;
  readonly cents: bigint;
  readonly balance: bigint;
  readonly memo: string;
  readonly attachment: Uint8Array;
  readonly reference: string;
  readonly other: { readonly cash: null } | { readonly account: string };
}

export function encodeAccount(account: AccountRecord): Uint8Array {
  return bytes({ balance: `${account.balance}`, entries: account.entries, time: `${account.time}` });
}

export function decodeAccount(stored: Uint8Array): AccountRecord {
  const { balance, entries, time } = record(stored);
  return { balance: BigInt(balance), entries, time: BigInt(time) };
}

export function encodeEntry(entry: Entry): Uint8Array {
  return bytes({
    ...entry,
    time: `${entry.time}`,
    cents: `${entry.cents}`,
    balance: `${entry.balance}`,
    attachment: hex(entry.attachment),
  });
}

export function decodeEntry(stored: Uint8Array): Entry {
  const entry = record(stored);
  return {
    ...entry,
    time: BigInt(entry.time),
    cents: BigInt(entry.cents),
    balance: BigInt(entry.balance),
    attachment: unhex(entry.attachment),
  };
}

function bytes(value: object): Uint8Array {
  const text = JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}

function record(stored: Uint8Array) {
  let text = '';
  for (const byte of stored) text += String.fromCharCode(byte);
  return JSON.parse(text);
}

function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
    Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
  );
}
