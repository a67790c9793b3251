/**
 * Finds secrets in bytes: of each secret it knows pieces, and looks for them in the bytes and in all that they spell, so that one
 * that was cut is found as well. It looks everywhere: at any byte, within any word.
 */

import { DENSE, SPELLINGS, withoutBlanks, withoutEscapes, withoutPercents } from './spellings.js';

/** The length of a piece, in bytes of the secret. Nobody guesses so much by chance, or gains much by less. */
const PIECE = 12;

/** From one piece of a secret to the next, in bytes. */
const STEP = 2;

/** How often a text may have been escaped by one who writes JSON. */
const ESCAPED_TIMES = 2;

/** The bits of the first look for each piece: it has to be quick, and to let little through. */
const FIRST_LOOK_BITS = 32;

export interface Finding {
  /** Which of the secrets. */
  readonly secret: number;
  readonly spelling: string;
  /** Where what spells it begins, in the bytes or in what is left of them without escapes or blanks. */
  readonly at: number;
}

export class SecretScan {
  /** The pieces, one after the other, and the secret that each is of. */
  readonly #pieces: Uint8Array;
  readonly #secretOf: number[] = [];
  /** By some bits of the number that its first bytes make: the last such piece; and of each piece the one before, or -1. */
  readonly #last: Int32Array;
  readonly #before: number[] = [];
  readonly #first: Int32Array;
  readonly #shift: number;
  /** No spelling of a piece is longer, with what may stand between its bytes: whoever looks at a text in parts lets them overlap by as much. */
  readonly longest = 4096;

  constructor(secrets: readonly Uint8Array[]) {
    const places = secrets.map((bytes) => Math.max(0, Math.floor((bytes.length - 1 - PIECE) / STEP) + 1));
    const pieces = places.reduce((sum, each) => sum + each, 0);
    const bits = Math.max(16, Math.ceil(Math.log2(pieces * FIRST_LOOK_BITS)));
    this.#pieces = new Uint8Array(pieces * PIECE);
    this.#shift = 32 - bits;
    this.#first = new Int32Array(2 ** (bits - 5));
    this.#last = new Int32Array(2 ** (bits - 5)).fill(-1);
    for (const [secret, bytes] of secrets.entries()) {
      // The first byte is the same in all of them.
      for (let from = 1; from + PIECE <= bytes.length; from += STEP)
        this.#add(secret, bytes.subarray(from, from + PIECE));
    }
  }

  #add(secret: number, bytes: Uint8Array): void {
    const piece = this.#secretOf.push(secret) - 1;
    this.#pieces.set(bytes, piece * PIECE);
    const place = this.#placeOf((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!);
    this.#first[place >>> 5]! |= 1 << (place & 31);
    this.#before.push(this.#last[place >>> 5]!);
    this.#last[place >>> 5] = piece;
  }

  #placeOf(key: number): number {
    return Math.imul(key, 0x9e3779b1) >>> this.#shift;
  }

  /** What is found in `bytes`: of each secret and spelling the first. */
  find(bytes: Uint8Array): Finding[] {
    const found = new Map<string, Finding>();
    const look = (text: Uint8Array, readings: typeof SPELLINGS, around: string): void => {
      for (const [name, read] of Object.entries(readings)) {
        read(text, PIECE, (spelled, length, at) => {
          for (const secret of this.#findIn(spelled, length)) {
            const spelling = `${name}${around}`;
            const key = `${secret} ${spelling}`;
            if (!found.has(key)) found.set(key, { secret, spelling, at });
          }
        });
      }
    };
    const lookAt = (text: Uint8Array, around: string): void => {
      look(text, SPELLINGS, around);
      const dense = withoutBlanks(text);
      if (dense !== text) look(dense, DENSE, `, with blanks${around}`);
    };
    lookAt(bytes, '');
    const dense = withoutBlanks(bytes);
    for (const text of dense === bytes ? [bytes] : [bytes, dense]) {
      let plain = withoutEscapes(text);
      for (let times = 1; plain !== undefined; times++) {
        lookAt(plain, ', with escapes of JSON');
        plain = times < ESCAPED_TIMES ? withoutEscapes(plain) : undefined;
      }
      plain = withoutPercents(text);
      if (plain !== undefined) lookAt(plain, ', with escapes of a URL');
    }
    return [...found.values()];
  }

  /** The secrets of which a piece stands in the first `length` bytes. */
  #findIn(bytes: Uint8Array, length: number): readonly number[] {
    let found = NOTHING;
    const first = this.#first;
    const shift = this.#shift;
    let key = 0;
    for (let end = 0; end < length; end++) {
      key = (key << 8) | bytes[end]!;
      const place = Math.imul(key, 0x9e3779b1) >>> shift;
      if ((first[place >>> 5]! & (1 << (place & 31))) === 0) continue;
      const at = end - 3;
      if (at < 0 || at + PIECE > length) continue;
      for (let piece = this.#last[place >>> 5]!; piece !== -1; piece = this.#before[piece]!) {
        if (this.#isAt(piece, bytes, at)) found = [...found, this.#secretOf[piece]!];
      }
    }
    return found;
  }

  #isAt(piece: number, bytes: Uint8Array, at: number): boolean {
    const from = piece * PIECE;
    for (let i = 0; i < PIECE; i++) if (this.#pieces[from + i] !== bytes[at + i]) return false;
    return true;
  }
}

const NOTHING: readonly number[] = [];
