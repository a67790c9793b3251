/**
 * Finds secrets in bytes: of each secret it knows pieces, in every spelling in which one could get there, so that one that was
 * cut is found as well. It looks everywhere: at any byte, within any word.
 */

/** The length of a piece, in bytes of the secret. Nobody guesses so much by chance, or gains much by less. */
const PIECE = 12;

/** The bytes by which a spelling is looked up, and how many such numbers a first look tells apart: it has to be quick. */
const KEY = 4;
const FIRST_LOOK = 1 << 22;

type Spelling = (piece: Uint8Array) => readonly Buffer[];

const text = (...spelled: readonly string[]): readonly Buffer[] =>
  spelled.map((each) => Buffer.from(each, 'latin1'));

const hex = (byte: number) => byte.toString(16).padStart(2, '0');

/** How a piece of a secret is spelled, whatever stands around it. */
export const SPELLINGS: Readonly<Record<string, Spelling>> = {
  'raw bytes': (piece) => [Buffer.from(piece)],
  // In a longer text it may begin at any of three places of a group; what depends on its neighbours is left out.
  'base64 and base64url': (piece) =>
    [0, 1, 2].flatMap((before) => {
      const whole = Buffer.concat([Buffer.alloc(before), piece]).toString('base64');
      const from = Math.ceil((before * 8) / 6);
      const inner = whole.slice(from, Math.floor(((before + piece.length) * 8) / 6));
      return text(inner, inner.replaceAll('+', '-').replaceAll('/', '_'));
    }),
  hex: (piece) => {
    const digits = Buffer.from(piece).toString('hex');
    return text(digits, digits.toUpperCase());
  },
  'bytes in hex, as util.inspect prints a Buffer': (piece) => text([...piece].map(hex).join(' ')),
  'numbers, as JSON prints bytes': (piece) =>
    text([...piece].join(','), [...piece].join(', '), [...piece].join(',\n')),
  'numbers, as util.inspect prints bytes': (piece) =>
    // In columns: the blanks are taken out of what is looked at.
    text([...piece].join(',')),
  'numbered, as JSON prints a Uint8Array': (piece) =>
    Array.from({ length: 33 - PIECE + 1 }, (_, first) =>
      Buffer.from([...piece].map((byte, i) => `"${first + i}":${byte}`).join(',')),
    ),
  'escapes of JSON': (piece) => {
    const printed = JSON.stringify(Buffer.from(piece).toString('latin1')).slice(1, -1);
    const escaped = [...piece].map((byte) => `\\u00${hex(byte)}`).join('');
    return [Buffer.from(printed), ...text(escaped, [...piece].map((byte) => `\\x${hex(byte)}`).join(''))];
  },
  'escapes of a URL': (piece) => {
    const upper = [...piece].map((byte) => `%${hex(byte).toUpperCase()}`).join('');
    return text(upper, upper.toLowerCase(), encodeURIComponent(Buffer.from(piece).toString('latin1')));
  },
};

export interface Finding {
  /** Which of the secrets. */
  readonly secret: number;
  readonly spelling: string;
  /** In the bytes, or in what is left of them without blanks. */
  readonly at: number;
}

interface Needle {
  readonly secret: number;
  readonly spelling: string;
  readonly bytes: Buffer;
}

/** Where in the table of the first look a number is. */
const placeOf = (key: number): number => Math.imul(key, 0x9e3779b1) >>> 10;

export class SecretScan {
  /** By the number that the first bytes of a needle make. */
  readonly #needles = new Map<number, Needle[]>();
  readonly #first = new Uint8Array(FIRST_LOOK);
  /** The length of the longest spelling of a piece: whoever looks at a text in parts lets them overlap by as much. */
  longest = 0;

  constructor(secrets: readonly Uint8Array[]) {
    for (const [secret, bytes] of secrets.entries()) {
      // The first byte is the same in all of them.
      for (let from = 1; from + PIECE <= bytes.length; from += 2) {
        const piece = bytes.subarray(from, from + PIECE);
        for (const [spelling, spell] of Object.entries(SPELLINGS)) {
          for (const needle of spell(piece)) this.#add({ secret, spelling, bytes: needle });
        }
      }
    }
  }

  #add(needle: Needle): void {
    if (needle.bytes.length < KEY)
      throw new Error(`the spelling ${needle.spelling} is too short to be found`);
    this.longest = Math.max(this.longest, needle.bytes.length);
    const key = needle.bytes.readUInt32BE(0);
    this.#first[placeOf(key)] = 1;
    const known = this.#needles.get(key);
    if (known === undefined) this.#needles.set(key, [needle]);
    else known.push(needle);
  }

  /** What is found in `bytes`. */
  find(bytes: Buffer): Finding[] {
    const found = [...this.#findIn(bytes)];
    const dense = withoutBlanks(bytes);
    return dense.length === bytes.length ? found : [...found, ...this.#findIn(dense)];
  }

  *#findIn(bytes: Buffer): Iterable<Finding> {
    const first = this.#first;
    let key = 0;
    for (let end = 0; end < bytes.length; end++) {
      key = (key << 8) | bytes[end]!;
      if (first[placeOf(key)] === 0 || end < KEY - 1) continue;
      const at = end - KEY + 1;
      for (const { secret, spelling, bytes: needle } of this.#needles.get(key >>> 0) ?? []) {
        if (bytes.compare(needle, 0, needle.length, at, Math.min(at + needle.length, bytes.length)) === 0) {
          yield { secret, spelling, at };
        }
      }
    }
  }
}

function withoutBlanks(bytes: Buffer): Buffer {
  const dense = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    // A blank, or what ends or indents a line.
    if (byte !== 0x20 && (byte < 0x09 || byte > 0x0d)) dense[length++] = byte;
  }
  return dense.subarray(0, length);
}
