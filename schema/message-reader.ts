/**
 * Reading of message bytes that may be a peer's: nothing is trusted, everything is bounded.
 *
 * Every pointer is checked against its segment, every dereference is charged against the message's budget (an element that
 * takes no space counts as a word), and nesting is limited. What is wrong throws a MessageError, and nothing else is
 * thrown. Nothing is copied: readers are views of the segments they were given.
 */

import { Memory } from './memory.js';

/** The element sizes of a list pointer, by their codes on the wire. */
export const ElementSize = {
  void: 0,
  bit: 1,
  byte: 2,
  twoBytes: 3,
  fourBytes: 4,
  eightBytes: 5,
  pointer: 6,
  composite: 7,
} as const;
export type ElementSize = (typeof ElementSize)[keyof typeof ElementSize];

/** Bits of one element, by its size; composite elements are measured by their tag. */
const ELEMENT_BITS = [0, 1, 8, 16, 32, 64, 64, 0] as const;

export type MessageErrorCode = 'ERR_MESSAGE_MALFORMED' | 'ERR_MESSAGE_LIMIT';

/** A message that is malformed, or over a limit of its reader. */
export class MessageError extends Error {
  override readonly name = 'MessageError';
  readonly code: MessageErrorCode;

  constructor(message: string, code: MessageErrorCode = 'ERR_MESSAGE_MALFORMED') {
    super(message);
    this.code = code;
  }
}

export interface ReadLimits {
  /** Words that may be read, counting each time: what stops a small message from being read as a large one. */
  readonly traversalWords: number;
  /** The deepest nesting of pointers. */
  readonly nesting: number;
}

export const DEFAULT_READ_LIMITS: ReadLimits = { traversalWords: 8 * 1024 * 1024, nesting: 64 };

/** So many bytes of some memory, from `at` on. */
export interface MemoryPart {
  readonly memory: Memory;
  readonly at: number;
  /** A multiple of 8. */
  readonly bytes: number;
}

/**
 * One segment of a message. It may lie in memory that has much else in it, of other people too: whoever reads a number has seen
 * to it that it is in here.
 */
class Segment {
  private constructor(
    /** Its number in the message; -1 for the empty one, which is in none. */
    readonly index: number,
    private memory: Memory,
    /** The byte of the memory where it begins. */
    private base: number,
    public words: number,
  ) {}

  static of(index: number, bytes: Uint8Array): Segment {
    return new Segment(index, memoryOf(bytes), 0, bytes.length >>> 3);
  }

  static within(index: number, { memory, at, bytes }: MemoryPart): Segment {
    return new Segment(index, memory, at, bytes >>> 3);
  }

  /** From now on it is these bytes: the same ones elsewhere. */
  movedTo(bytes: Uint8Array): void {
    this.memory = memoryOf(bytes);
    this.base = 0;
  }

  /** From now on there is nothing in it. */
  end(): void {
    this.memory = NO_MEMORY;
    this.words = 0;
  }

  /** Some of its bytes. */
  part(at: number, length: number): Uint8Array {
    return this.memory.part(this.base + at, length);
  }

  /** The lower and the upper half of a word, which are 0 where it ends before. */
  low(word: number): number {
    return word < this.words ? this.u32(word * 8) : 0;
  }
  high(word: number): number {
    return word < this.words ? this.u32(word * 8 + 4) : 0;
  }

  u8(at: number): number {
    return this.memory.view.getUint8(this.base + at);
  }
  u16(at: number): number {
    return this.memory.view.getUint16(this.base + at, true);
  }
  i16(at: number): number {
    return this.memory.view.getInt16(this.base + at, true);
  }
  u32(at: number): number {
    return this.memory.view.getUint32(this.base + at, true);
  }
  i32(at: number): number {
    return this.memory.view.getInt32(this.base + at, true);
  }
  u64(at: number): bigint {
    return this.memory.view.getBigUint64(this.base + at, true);
  }
  i64(at: number): bigint {
    return this.memory.view.getBigInt64(this.base + at, true);
  }
  f32(at: number): number {
    return this.memory.view.getFloat32(this.base + at, true);
  }
  f64(at: number): number {
    return this.memory.view.getFloat64(this.base + at, true);
  }
}

function memoryOf(bytes: Uint8Array): Memory {
  return new Memory(bytes as Uint8Array<ArrayBuffer>);
}

const NO_BYTES = new Uint8Array(0);
const NO_MEMORY = new Memory(NO_BYTES);
const EMPTY = Segment.of(-1, NO_BYTES);

/** See MessageReader.watch. */
export interface Watcher {
  /** Told once. It may change what is there. */
  reached(): void;
}

export class MessageReader {
  readonly #segments: readonly Segment[];
  readonly #traversalWords: number;
  #budget: number;
  readonly #nesting: number;
  readonly #root: number;
  #watched = 0;
  #watcher: Watcher | null = null;

  /**
   * Reads `segments`, whose lengths are multiples of 8, or a message of one segment where that is a part of some memory. The bytes
   * must not change while they are read. The root pointer is the word `root` of the first.
   */
  constructor(segments: readonly Uint8Array[] | MemoryPart, limits: Partial<ReadLimits> = {}, root = 0) {
    this.#segments =
      'memory' in segments
        ? [Segment.within(0, segments)]
        : segments.map((bytes, index) => Segment.of(index, bytes));
    this.#traversalWords = limits.traversalWords ?? DEFAULT_READ_LIMITS.traversalWords;
    this.#budget = this.#traversalWords;
    this.#nesting = limits.nesting ?? DEFAULT_READ_LIMITS.nesting;
    this.#root = root;
  }

  /** The message stands in other memory now: in `segments`, byte for byte. Every reader of it goes on there. */
  movedTo(segments: readonly Uint8Array[]): void {
    this.#segments.forEach((segment, i) => {
      segment.movedTo(segments[i]!);
    });
  }

  /** The memory of the message is somebody else's now: whoever reads on finds that it ends before whatever is there. */
  end(): void {
    for (const segment of this.#segments) segment.end();
  }

  get root(): PointerReader {
    const first = this.#segments[0];
    return first === undefined || first.words === 0
      ? new PointerReader(this, EMPTY, -1, this.#nesting)
      : new PointerReader(this, first, this.#root, this.#nesting);
  }

  /** Words that may still be read. */
  get budget(): number {
    return this.#budget;
  }

  /** Words that the message has. */
  get words(): number {
    let words = 0;
    for (const segment of this.#segments) words += segment.words;
    return words;
  }

  /** Does `read`, whose cost is bounded otherwise, without a charge: it may be done again and again. */
  uncharged<T>(read: () => T): T {
    const budget = this.#budget;
    this.#budget = Number.MAX_SAFE_INTEGER;
    try {
      return read();
    } finally {
      this.#budget = budget;
    }
  }

  charge(words: number): void {
    this.#budget -= words;
    if (this.#budget < 0) {
      throw new MessageError(
        `more than ${this.#traversalWords} words of the message were read (limit traversalWords)`,
        'ERR_MESSAGE_LIMIT',
      );
    }
  }

  /** Tells `watcher` before anything is read of the first so many words of the first segment, but for slots that are asked for by place. */
  watch(words: number, watcher: Watcher): void {
    this.#watched = words;
    this.#watcher = watcher;
  }

  /** An object of that segment is about to be read, from the word `start` on. */
  note(segment: Segment, start: number): void {
    if (start < this.#watched && segment.index === 0) {
      this.#watched = 0;
      this.#watcher!.reached();
    }
  }

  /** The pointer that stands at a word of a segment, which must be there. */
  pointerAt(segment: number, word: number): PointerReader {
    return new PointerReader(this, this.segment(segment), word, this.#nesting);
  }

  segment(index: number): Segment {
    const segment = this.#segments[index];
    if (segment === undefined) {
      throw new MessageError(`a far pointer into segment ${index} of a message of ${this.#segments.length}`);
    }
    return segment;
  }
}

/** What a pointer word says, with far pointers followed: the object's kind and size, and where it begins. */
interface Resolved {
  readonly segment: Segment;
  readonly low: number;
  readonly high: number;
  /** The word where the object begins. */
  readonly start: number;
}

/** A slot for a pointer. Nothing behind it is looked at before it is asked for. */
export class PointerReader {
  constructor(
    private readonly message: MessageReader,
    private readonly segment: Segment,
    /** The word of the slot; -1: there is none, which reads as a null pointer. */
    private readonly word: number,
    private readonly nesting: number,
  ) {}

  /** Where the slot is: a word of a segment. Null where there is none. */
  get place(): { readonly segment: number; readonly word: number } | null {
    return this.word < 0 ? null : { segment: this.segment.index, word: this.word };
  }

  /** Words of the whole message that this stands in. */
  get messageWords(): number {
    return this.message.words;
  }

  /**
   * The index of the capability at the end of `path`, a list of pointer indexes; null for a null pointer. It costs no more
   * than the path is long, and is not charged: a peer may have it looked up for each of its messages.
   */
  capabilityAlong(path: readonly number[]): number | null {
    return this.message.uncharged(() => {
      let pointer: PointerReader = this;
      for (const index of path) pointer = pointer.struct().pointer(index);
      return pointer.capability();
    });
  }

  get isNull(): boolean {
    if (this.word < 0) return true;
    return this.segment.low(this.word) === 0 && this.segment.high(this.word) === 0;
  }

  get kind(): 'null' | 'struct' | 'list' | 'capability' {
    if (this.isNull) return 'null';
    const { low, high } = this.#resolve();
    switch (low & 3) {
      case 0:
        return 'struct';
      case 1:
        return 'list';
      default:
        checkCapability(low, high);
        return 'capability';
    }
  }

  /** The struct it points to; for a null pointer the empty one, all of whose fields have their defaults. */
  struct(): StructReader {
    if (this.isNull) {
      // One that is not even a null pointer: it takes no space, like what is in it again.
      if (this.word < 0) this.message.charge(1);
      return new StructReader(this.message, EMPTY, 0, 0, 0, this.nesting);
    }
    const { segment, low, high, start } = this.#resolve();
    if ((low & 3) !== 0) throw new MessageError(`expected a struct, found ${describe(low)}`);
    const dataWords = high & 0xffff;
    const pointers = high >>> 16;
    this.#span(segment, start, dataWords + pointers);
    this.message.charge(dataWords + pointers);
    return new StructReader(this.message, segment, start * 8, dataWords * 64, pointers, this.#deeper());
  }

  /** The list it points to; empty for a null pointer. `expected` is what the schema says of its elements. */
  list(expected: ElementSize): ListReader {
    if (this.isNull)
      return new ListReader(this.message, EMPTY, 0, 0, 0, 0, 0, this.nesting, ElementSize.void);
    const { segment, low, high, start } = this.#resolve();
    if ((low & 3) !== 1) throw new MessageError(`expected a list, found ${describe(low)}`);
    const size = (high & 7) as ElementSize;
    const count = high >>> 3;
    if (size === ElementSize.composite) return this.#compositeList(segment, start, count, expected);
    const bits = ELEMENT_BITS[size];
    const words = Math.ceil((count * bits) / 64);
    this.#span(segment, start, words);
    this.message.charge(size === ElementSize.void ? count : words);
    const pointers = size === ElementSize.pointer ? 1 : 0;
    const dataBits = pointers === 1 ? 0 : bits;
    if (expected === ElementSize.composite) {
      // "a struct list may be ... upgraded from a primitive list", but not from one of bits.
      if (size === ElementSize.bit)
        throw new MessageError('expected a list of structs, found a list of bits');
    } else if (expected === ElementSize.void) {
      // Any list will do: nothing is read of its elements.
    } else if (
      expected === ElementSize.pointer ? pointers === 0 : pointers === 1 || dataBits < ELEMENT_BITS[expected]
    ) {
      if (count > 0 || size !== ElementSize.void) {
        throw new MessageError(`expected a list of ${sizeName(expected)}, found one of ${sizeName(size)}`);
      }
    } else if ((expected === ElementSize.bit) !== (size === ElementSize.bit)) {
      throw new MessageError(`expected a list of ${sizeName(expected)}, found one of ${sizeName(size)}`);
    }
    return new ListReader(
      this.message,
      segment,
      start * 8,
      count,
      bits,
      dataBits,
      pointers,
      this.#deeper(),
      size,
    );
  }

  #compositeList(segment: Segment, start: number, words: number, expected: ElementSize): ListReader {
    this.#span(segment, start, words + 1);
    const low = segment.low(start);
    const high = segment.high(start);
    if ((low & 3) !== 0) throw new MessageError('a list of structs whose tag is not one of a struct');
    const count = low >>> 2;
    const dataWords = high & 0xffff;
    const pointers = high >>> 16;
    const step = dataWords + pointers;
    // Both factors are below 2^30 and 2^17: the product is exact.
    if (count * step > words)
      throw new MessageError(`a list of ${count} structs of ${step} words in ${words} words`);
    this.message.charge(step === 0 ? count : words + 1);
    switch (expected) {
      case ElementSize.composite:
      case ElementSize.void:
        break;
      case ElementSize.bit:
        throw new MessageError('expected a list of bits, found a list of structs');
      case ElementSize.pointer:
        if (pointers === 0)
          throw new MessageError('expected a list of pointers, found structs without pointers');
        break;
      default:
        if (dataWords === 0)
          throw new MessageError(`expected a list of ${sizeName(expected)}, found structs without data`);
    }
    return new ListReader(
      this.message,
      segment,
      (start + 1) * 8,
      count,
      step * 64,
      dataWords * 64,
      pointers,
      this.#deeper(),
      ElementSize.composite,
    );
  }

  /** The bytes of a Data; a view of the message, empty for a null pointer. */
  data(): Uint8Array {
    if (this.isNull) return NO_BYTES;
    const { segment, high, start } = this.#bytes();
    return segment.part(start * 8, high >>> 3);
  }

  /** How many bytes that are, at the same charge. */
  dataLength(): number {
    return this.isNull ? 0 : this.#bytes().high >>> 3;
  }

  /** Where the list of bytes is, which is there as a whole. */
  #bytes(): Resolved {
    const resolved = this.#resolve();
    const { segment, low, high, start } = resolved;
    if ((low & 3) !== 1) throw new MessageError(`expected a list of bytes, found ${describe(low)}`);
    const size = (high & 7) as ElementSize;
    if (size !== ElementSize.byte)
      throw new MessageError(`expected a list of bytes, found one of ${sizeName(size)}`);
    const words = Math.ceil((high >>> 3) / 8);
    this.#span(segment, start, words);
    this.message.charge(words);
    return resolved;
  }

  /** The characters of a Text, which is UTF-8 with a NUL behind it. */
  text(): string {
    if (this.isNull) return '';
    const bytes = this.data();
    if (bytes.length === 0 || bytes[bytes.length - 1] !== 0)
      throw new MessageError('a text without its NUL at the end');
    try {
      return utf8.decode(bytes.subarray(0, bytes.length - 1));
    } catch {
      throw new MessageError('a text that is not valid UTF-8');
    }
  }

  /** The index in the capability table; null for a null pointer. */
  capability(): number | null {
    if (this.isNull) return null;
    const { low, high } = this.#resolve();
    if ((low & 3) !== 3) throw new MessageError(`expected a capability, found ${describe(low)}`);
    checkCapability(low, high);
    return high;
  }

  #resolve(): Resolved {
    const low = this.segment.low(this.word);
    const high = this.segment.high(this.word);
    if ((low & 3) === 2) return this.#far(low, high);
    // The offset is signed and counts from behind the pointer.
    return { segment: this.segment, low, high, start: this.word + 1 + (low >> 2) };
  }

  #far(low: number, high: number): Resolved {
    const segment = this.message.segment(high);
    const pad = low >>> 3;
    const double = (low & 4) !== 0;
    this.#span(segment, pad, double ? 2 : 1);
    this.message.charge(1);
    const padLow = segment.low(pad);
    const padHigh = segment.high(pad);
    if (!double) {
      if ((padLow & 3) === 2) throw new MessageError('a far pointer that leads to a far pointer');
      return { segment, low: padLow, high: padHigh, start: pad + 1 + (padLow >> 2) };
    }
    if ((padLow & 7) !== 2)
      throw new MessageError('a double-far pointer whose landing pad is not a far pointer');
    const tagLow = segment.low(pad + 1);
    const tagHigh = segment.high(pad + 1);
    if ((tagLow & 3) > 1 || tagLow >> 2 !== 0) throw new MessageError('a double-far pointer with a bad tag');
    return { segment: this.message.segment(padHigh), low: tagLow, high: tagHigh, start: padLow >>> 3 };
  }

  #span(segment: Segment, start: number, words: number): void {
    if (start < 0 || start + words > segment.words) {
      throw new MessageError(`a pointer to ${words} words at ${start} of a segment of ${segment.words}`);
    }
    this.message.note(segment, start);
  }

  #deeper(): number {
    if (this.nesting <= 0) {
      throw new MessageError('the message is nested too deeply (limit nesting)', 'ERR_MESSAGE_LIMIT');
    }
    return this.nesting - 1;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function checkCapability(low: number, _high: number): void {
  if (low !== 3) throw new MessageError('a pointer of an unknown kind');
}

function describe(low: number): string {
  return ['a struct', 'a list', 'a far pointer', 'a capability'][low & 3]!;
}

function sizeName(size: ElementSize): string {
  return [
    'void',
    'bits',
    'bytes',
    '2-byte elements',
    '4-byte elements',
    '8-byte elements',
    'pointers',
    'structs',
  ][size]!;
}

/**
 * A struct. Offsets are in bytes, for `bool` in bits, for `pointer` in pointers. What lies beyond the struct, because its
 * writer knew an older schema, reads as zero, false and null: the caller adds the schema's defaults.
 */
export class StructReader {
  readonly #message: MessageReader;
  readonly #segment: Segment;
  readonly #start: number;
  readonly #bits: number;
  readonly pointerCount: number;
  readonly #nesting: number;

  constructor(
    message: MessageReader,
    segment: Segment,
    start: number,
    bits: number,
    pointers: number,
    nesting: number,
  ) {
    this.#message = message;
    this.#segment = segment;
    this.#start = start;
    this.#bits = bits;
    this.pointerCount = pointers;
    this.#nesting = nesting;
  }

  /** Whole bytes of data. */
  get dataBytes(): number {
    return this.#bits >>> 3;
  }

  /** The data section, as it stands. */
  get data(): Uint8Array {
    return this.#segment.part(this.#start, this.dataBytes);
  }

  /** Overwrites the data section with zeros: for who has read a part of a message, and passes another one on. */
  erase(): void {
    this.data.fill(0);
  }

  bool(bit: number): boolean {
    if (bit >= this.#bits) return false;
    return ((this.#segment.u8(this.#start + (bit >>> 3)) >>> (bit & 7)) & 1) === 1;
  }
  u8(offset: number): number {
    return offset * 8 + 8 > this.#bits ? 0 : this.#segment.u8(this.#start + offset);
  }
  i8(offset: number): number {
    return (this.u8(offset) << 24) >> 24;
  }
  u16(offset: number): number {
    return offset * 8 + 16 > this.#bits ? 0 : this.#segment.u16(this.#start + offset);
  }
  i16(offset: number): number {
    return offset * 8 + 16 > this.#bits ? 0 : this.#segment.i16(this.#start + offset);
  }
  u32(offset: number): number {
    return offset * 8 + 32 > this.#bits ? 0 : this.#segment.u32(this.#start + offset);
  }
  i32(offset: number): number {
    return offset * 8 + 32 > this.#bits ? 0 : this.#segment.i32(this.#start + offset);
  }
  u64(offset: number): bigint {
    return offset * 8 + 64 > this.#bits ? 0n : this.#segment.u64(this.#start + offset);
  }
  i64(offset: number): bigint {
    return offset * 8 + 64 > this.#bits ? 0n : this.#segment.i64(this.#start + offset);
  }
  f32(offset: number): number {
    return offset * 8 + 32 > this.#bits ? 0 : this.#segment.f32(this.#start + offset);
  }
  f64(offset: number): number {
    return offset * 8 + 64 > this.#bits ? 0 : this.#segment.f64(this.#start + offset);
  }

  pointer(index: number): PointerReader {
    if (index >= this.pointerCount) return new PointerReader(this.#message, EMPTY, -1, this.#nesting);
    // Data before pointers is whole words, but for an element of a list of smaller ones, which has no pointers.
    return new PointerReader(
      this.#message,
      this.#segment,
      (this.#start + (this.#bits >>> 3)) / 8 + index,
      this.#nesting,
    );
  }
}

/** A list. Elements are read by index, at most `length - 1`, as what the schema says they are. */
export class ListReader {
  readonly #message: MessageReader;
  readonly #segment: Segment;
  readonly #start: number;
  readonly length: number;
  readonly #stepBits: number;
  readonly #dataBits: number;
  readonly #pointers: number;
  readonly #nesting: number;

  constructor(
    message: MessageReader,
    segment: Segment,
    start: number,
    length: number,
    stepBits: number,
    dataBits: number,
    pointers: number,
    nesting: number,
    /** How the elements stand on the wire, whatever the schema says. */
    readonly elementSize: ElementSize,
  ) {
    this.#message = message;
    this.#segment = segment;
    this.#start = start;
    this.length = length;
    this.#stepBits = stepBits;
    this.#dataBits = dataBits;
    this.#pointers = pointers;
    this.#nesting = nesting;
  }

  /** Of a list of structs: how many words of data and how many pointers each element has. */
  get structSize(): { readonly dataWords: number; readonly pointers: number } {
    return { dataWords: this.#dataBits / 64, pointers: this.#pointers };
  }

  /** The bytes of a list whose elements are neither pointers nor structs, as they stand. */
  get bytes(): Uint8Array {
    return this.#segment.part(this.#start, Math.ceil((this.length * this.#stepBits) / 8));
  }

  /**
   * Has every element that is smaller than a word count as one: for who makes a value of each, which takes more than a bit
   * of memory.
   */
  chargeElements(): void {
    const bits = this.length * this.#stepBits;
    if (this.#stepBits > 0 && this.#stepBits < 64) this.#message.charge(this.length - Math.ceil(bits / 64));
  }

  #at(index: number): number {
    if (index < 0 || index >= this.length)
      throw new RangeError(`element ${index} of a list of ${this.length}`);
    return this.#start + (index * this.#stepBits) / 8;
  }

  struct(index: number): StructReader {
    return new StructReader(
      this.#message,
      this.#segment,
      this.#at(index),
      this.#dataBits,
      this.#pointers,
      this.#nesting,
    );
  }
  pointer(index: number): PointerReader {
    return new PointerReader(
      this.#message,
      this.#segment,
      (this.#at(index) + this.#dataBits / 8) / 8,
      this.#nesting,
    );
  }
  bool(index: number): boolean {
    if (index < 0 || index >= this.length)
      throw new RangeError(`element ${index} of a list of ${this.length}`);
    return ((this.#segment.u8(this.#start + (index >>> 3)) >>> (index & 7)) & 1) === 1;
  }
  u8(index: number): number {
    return this.#segment.u8(this.#at(index));
  }
  i8(index: number): number {
    return (this.u8(index) << 24) >> 24;
  }
  u16(index: number): number {
    return this.#segment.u16(this.#at(index));
  }
  i16(index: number): number {
    return this.#segment.i16(this.#at(index));
  }
  u32(index: number): number {
    return this.#segment.u32(this.#at(index));
  }
  i32(index: number): number {
    return this.#segment.i32(this.#at(index));
  }
  u64(index: number): bigint {
    return this.#segment.u64(this.#at(index));
  }
  i64(index: number): bigint {
    return this.#segment.i64(this.#at(index));
  }
  f32(index: number): number {
    return this.#segment.f32(this.#at(index));
  }
  f64(index: number): number {
    return this.#segment.f64(this.#at(index));
  }
}
