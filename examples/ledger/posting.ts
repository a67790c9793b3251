/**
 * What a caller may ask the ledger to book: the rules for names, amounts, memos, attachments and references.
 * The codec has made sure of the types; everything else about a posting is hostile until it has been through
 * here.
 */

export interface Posting {
  readonly cents: bigint;
  readonly memo: string;
  readonly attachment: Uint8Array;
  readonly reference: string;
}

const MAX_MEMO = 200;
const MAX_ATTACHMENT = 4096;
const MAX_BALANCE = 2n ** 63n - 1n;

/** Returns `name`, which is then safe in a storage key (no '/') and in a message. */
export function checkName(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
    throw new Error(`an account's name is 1 to 63 of a-z, 0-9 and '-', and does not begin with '-'`);
  }
  return name;
}

export function checkPosting({ cents, memo, attachment, reference }: Posting): Posting {
  if (cents <= 0n) throw new Error(`cents: ${cents}; must be greater than 0`);
  if ([...memo].length > MAX_MEMO) throw new Error(`memo: more than ${MAX_MEMO} characters`);
  // A memo is read by people, in terminals too, and one line is all that it may take there.
  if (/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(memo)) throw new Error('memo: control characters in it');
  if (attachment.length > MAX_ATTACHMENT) {
    throw new Error(`attachment: ${attachment.length} bytes; at most ${MAX_ATTACHMENT}`);
  }
  if (!/^[A-Za-z0-9._-]{0,64}$/.test(reference)) {
    throw new Error(`reference: at most 64 of A-Z, a-z, 0-9, '.', '_' and '-'`);
  }
  return { cents, memo, attachment, reference };
}

/** The balance after adding `cents`, which is negative where money goes out. */
export function newBalance(name: string, balance: bigint, cents: bigint): bigint {
  const sum = balance + cents;
  // The text does not say how much there is: the caller may be allowed to withdraw and not to look.
  if (sum < 0n) throw new Error(`account ${name} does not hold ${money(-cents)}`);
  if (sum > MAX_BALANCE) throw new Error(`account ${name} cannot hold ${money(cents)} more`);
  return sum;
}

/** `123456n` as `1234.56`. */
export function money(cents: bigint): string {
  const digits = `${cents < 0n ? -cents : cents}`.padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
