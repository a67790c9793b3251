/**
 * The spellings in which the bytes of a secret can get into a text, each as what reads them back: whoever looks for a secret looks at
 * the bytes that a text spells. Text and bytes may have been cut anywhere, so each is read from every place at which it could begin.
 */

/** Takes the first `length` of `bytes`, which were spelled from `at` on; what reads a text uses `bytes` again for the next. */
export type Take = (bytes: Uint8Array, length: number, at: number) => void;

/** Tells all that a text spells in one way, if that is at least `least` bytes on end. */
type Reading = (text: Uint8Array, least: number, take: Take) => void;

const NONE = 255;
const tableOf = (characters: string): Uint8Array => {
  const table = new Uint8Array(256).fill(NONE);
  for (let value = 0; value < characters.length; value++) table[characters.charCodeAt(value)] = value;
  return table;
};
const SIX_BITS = tableOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
SIX_BITS[0x2d] = 62;
SIX_BITS[0x5f] = 63;
const DIGITS = tableOf('0123456789abcdef');
for (let digit = 10; digit < 16; digit++) DIGITS[0x37 + digit] = digit;

let buffer: Uint8Array = new Uint8Array(0);
/** For what a reading of so many characters comes to. */
function roomFor(length: number): Uint8Array {
  if (buffer.length < length) buffer = new Uint8Array(length);
  return buffer;
}

/** The runs of at least so many characters of a table. */
function runs(
  text: Uint8Array,
  table: Uint8Array,
  least: number,
  each: (from: number, end: number) => void,
): void {
  for (let from = 0; from + least <= text.length; ) {
    // From its end: what is no run is passed over by as much as there is.
    let at = from + least - 1;
    while (at >= from && table[text[at]!] !== NONE) at--;
    if (at < from) {
      let end = from + least;
      while (end < text.length && table[text[end]!] !== NONE) end++;
      each(from, end);
      at = end;
    }
    from = at + 1;
  }
}

/** Four characters are three bytes: it may begin with any of the four. What has no beginning or no end is filled up. */
const base64: Reading = (text, least, take) => {
  const bytes = roomFor(text.length + 8);
  runs(text, SIX_BITS, Math.ceil((least * 8) / 6), (from, end) => {
    const groupOf = (at: number): number => {
      let group = 0;
      for (let i = at; i < at + 4; i++)
        group = (group << 6) | (i < from || i >= end ? 0 : SIX_BITS[text[i]!]!);
      return group;
    };
    for (let first = from - 3; first <= from; first++) {
      let length = 0;
      for (let at = first; at < end; at += 4) {
        const group =
          at < from || at + 4 > end
            ? groupOf(at)
            : (SIX_BITS[text[at]!]! << 18) |
              (SIX_BITS[text[at + 1]!]! << 12) |
              (SIX_BITS[text[at + 2]!]! << 6) |
              SIX_BITS[text[at + 3]!]!;
        bytes[length++] = group >> 16;
        bytes[length++] = group >> 8;
        bytes[length++] = group;
      }
      take(bytes, length, from);
    }
  });
};

const hex: Reading = (text, least, take) => {
  const bytes = roomFor(text.length);
  runs(text, DIGITS, 2 * least, (from, end) => {
    for (let first = from; first < from + 2; first++) {
      let length = 0;
      for (let at = first; at + 1 < end; at += 2)
        bytes[length++] = (DIGITS[text[at]!]! << 4) | DIGITS[text[at + 1]!]!;
      take(bytes, length, first);
    }
  });
};

/** Numbers with commas or blanks between them, in decimal, or in hex behind 0x; one before a colon numbers the next, and may be quoted. */
const numbers: Reading = (text, least, take) => {
  const bytes = roomFor(text.length);
  let length = 0;
  let from = 0;
  let digits = 0;
  let number = 0;
  let base = 10;
  const end = (): void => {
    if (length >= least) take(bytes, length, from);
    length = 0;
  };
  const next = (): void => {
    if (digits > 0 && number <= 255) bytes[length++] = number;
    else if (digits > 0) end();
    digits = number = 0;
    base = 10;
  };
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    const digit = DIGITS[byte]!;
    if (digit < base) {
      if (length === 0 && digits === 0) from = at;
      // Longer ones stay too great.
      if (number <= 255) number = number * base + digit;
      digits += 1;
    } else if (byte === 0x2c || isBlank(byte)) {
      if (digits > 0) next();
    } else if (byte === 0x3a) {
      digits = number = 0;
    } else if (byte === 0x78 && digits === 1 && number === 0) {
      digits = 0;
      base = 16;
    } else if (byte !== 0x22 && byte !== 0x27) {
      if (digits > 0) next();
      if (length > 0) end();
    }
  }
  next();
  end();
};

/** Bytes that were taken for characters, and written in UTF-8. */
const characters: Reading = (text, _least, take) => {
  const bytes = roomFor(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    const two = (byte === 0xc2 || byte === 0xc3) && (text[at + 1]! & 0xc0) === 0x80;
    bytes[length++] = two ? ((byte & 0x03) << 6) | (text[++at]! & 0x3f) : byte;
  }
  if (length < text.length) take(bytes, length, 0);
};

const raw: Reading = (text, _least, take) => take(text, text.length, 0);

/** What bytes can be spelled in, where blanks mean nothing. */
export const DENSE: Readonly<Record<string, Reading>> = { 'base64 or base64url': base64, hex };

export const SPELLINGS: Readonly<Record<string, Reading>> = {
  'raw bytes': raw,
  'characters in UTF-8': characters,
  'base64 or base64url': base64,
  hex,
  numbers,
};

function isBlank(byte: number): boolean {
  // Or what ends or indents a line.
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** The text without blanks: itself if there are none. */
export function withoutBlanks(text: Uint8Array): Uint8Array {
  let at = 0;
  while (at < text.length && !isBlank(text[at]!)) at++;
  if (at === text.length) return text;
  const dense = new Uint8Array(text.length);
  dense.set(text.subarray(0, at));
  let length = at;
  for (; at < text.length; at++) if (!isBlank(text[at]!)) dense[length++] = text[at]!;
  return dense.subarray(0, length);
}

/** How much of a text around an escape can be of one piece with it: the rest is as it was, and looked at already. */
const AROUND = 512;

/** An escape in a text: how long it is, and the character that it is for; nothing where there is none. */
type Escape = (
  text: Uint8Array,
  at: number,
) => { readonly length: number; readonly character: number } | undefined;

/**
 * What stands around the escapes of a text, without them, its parts set apart; `undefined` if there are none.
 * @param sign with which each begins
 * @param utf8 whether an escape is for a character, or a byte as it is
 */
function around(text: Uint8Array, sign: number, escapeAt: Escape, utf8: boolean): Uint8Array | undefined {
  let plain: Uint8Array | undefined;
  let length = 0;
  let copied = 0;
  let end = 0;
  const copyTo = (to: number): void => {
    for (; copied < to; copied++) plain![length++] = text[copied]!;
  };
  for (let at = text.indexOf(sign); at !== -1; at = text.indexOf(sign, at)) {
    const found = escapeAt(text, at);
    if (found === undefined) {
      at += 1;
      continue;
    }
    plain ??= new Uint8Array(text.length);
    copyTo(Math.min(at, end));
    if (copied < at - AROUND) {
      plain[length++] = 0;
      copied = at - AROUND;
    }
    copyTo(at);
    const { character } = found;
    if (utf8 && character >= 0x80) {
      plain[length++] = 0xc0 | (character >> 6);
      plain[length++] = 0x80 | (character & 0x3f);
    } else {
      plain[length++] = character;
    }
    at += found.length;
    copied = at;
    end = at + AROUND;
  }
  copyTo(Math.min(end, text.length));
  return plain?.subarray(0, length);
}

const ESCAPED = new Map(Object.entries({ b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 }));
for (const itself of ['"', "'", '`', '/', '\\']) ESCAPED.set(itself, itself.charCodeAt(0));
const ESCAPES = Array.from({ length: 256 }, (_, byte) => {
  const character = ESCAPED.get(String.fromCharCode(byte));
  return character === undefined ? undefined : { length: 2, character };
});

/** Of JSON and JavaScript; those of characters beyond a byte stay. */
const escapeAt: Escape = (text, at) => {
  const kind = text[at + 1];
  if (kind === 0x78) return isHex(text, at + 2) ? { length: 4, character: byteAt(text, at + 2) } : undefined;
  if (kind !== 0x75) return ESCAPES[kind ?? 0];
  if (text[at + 2] !== 0x30 || text[at + 3] !== 0x30 || !isHex(text, at + 4)) return undefined;
  return { length: 6, character: byteAt(text, at + 4) };
};

const percentAt: Escape = (text, at) =>
  isHex(text, at + 1) ? { length: 3, character: byteAt(text, at + 1) } : undefined;

export const withoutEscapes = (text: Uint8Array) => around(text, 0x5c, escapeAt, true);
export const withoutPercents = (text: Uint8Array) => around(text, 0x25, percentAt, false);

const isHex = (text: Uint8Array, at: number): boolean =>
  at + 1 < text.length && DIGITS[text[at]!] !== NONE && DIGITS[text[at + 1]!] !== NONE;

const byteAt = (text: Uint8Array, at: number): number => (DIGITS[text[at]!]! << 4) | DIGITS[text[at + 1]!]!;
