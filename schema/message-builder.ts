/**
 * Building of messages: one segment that grows, all zero where nothing was written.
 *
 * Builders name places by their offsets and look the buffer up each time: it is replaced when it grows, and while one value
 * is encoded, a getter of it may encode another. Every object is written once, in the order in which it is asked for.
 */
import { Memory } from './memory.js';
import { PooledBuffer } from './memory-pool.js';
import {
  ElementSize,
  MessageError,
  MessageReader,
  type PointerReader,
  type StructReader,
} from './message-reader.js';

/** A message is far smaller (limit messageBytes): this is what a list that lies about its length may reserve, 128 MiB. */
const MAX_WORDS = 2 ** 24;

const ELEMENT_BITS = [0, 1, 8, 16, 32, 64, 64, 0] as const;

/**
 * An ArrayBuffer and its views cost more than what is written into a small message, so that small ones share them. Each
 * byte is given out once, and is zero then.
 */
class Slab {
  readonly memory: Memory;
  used = 0;

  constructor(size: number) {
    this.memory = new Memory(new Uint8Array(size));
  }
}

const SLAB_BYTES = 8 * 1024;
let shared = new Slab(SLAB_BYTES);

/** What a message is built in: a part of a slab, or a buffer of its own. */
type Site = Slab | PooledBuffer;

/** Where the next so many bytes are free, which are zero. */
function siteFor(bytes: number): Site {
  const pooled = PooledBuffer.of(bytes);
  if (pooled !== null) {
    if (!pooled.isZero) pooled.bytes.fill(0, 0, bytes);
    return pooled;
  }
  if (bytes > SLAB_BYTES / 8) return new Slab(bytes);
  if (shared.used + bytes > SLAB_BYTES) shared = new Slab(SLAB_BYTES);
  return shared;
}

/** Words at the front of a message that are somebody else's to write, and which of them is the root of what is built here. */
export interface Headroom {
  readonly words: number;
  readonly root: number;
}

const NO_HEADROOM: Headroom = { words: 1, root: 0 };

export class MessageBuilder {
  #site: Site;
  /** Where the message begins in that, and how many bytes it may have there. */
  #base: number;
  #room: number;
  /** Words that are used. */
  #used: number;
  /** Somebody may have a view of it. */
  #isSeen = false;
  readonly #root: number;
  /** Words that may be used while a copy is made, and how large that may be. */
  #copying: { readonly end: number; readonly words: number } | null = null;

  constructor(initialWords = 32, headroom = NO_HEADROOM) {
    this.#room = Math.max(headroom.words, initialWords) * 8;
    const site = siteFor(this.#room);
    this.#site = site;
    this.#base = 0;
    if (site instanceof Slab) {
      this.#base = site.used;
      site.used += this.#room;
    }
    this.#used = headroom.words;
    this.#root = headroom.root;
  }

  get root(): PointerBuilder {
    return new PointerBuilder(this, this.#root);
  }

  /** The slot for a pointer that the word `word` is. */
  pointerAt(word: number): PointerBuilder {
    return new PointerBuilder(this, word);
  }

  /** Words that are used. */
  get words(): number {
    return this.#used;
  }

  /** What was built, from the word `start` on: a view, good until more is written. */
  segment(start = 0): Uint8Array<ArrayBuffer> {
    this.#isSeen = true;
    return this.#site.memory.part(this.#base + start * 8, (this.#used - start) * 8);
  }

  /** A reader of what was built. It does not see what is written later. */
  asReader(): MessageReader {
    return new MessageReader(
      [this.segment()],
      { traversalWords: Number.MAX_SAFE_INTEGER, nesting: 1024 },
      this.#root,
    );
  }

  /** As it is now: the message begins at `base` of it. */
  get memory(): Memory {
    return this.#site.memory;
  }

  get view(): DataView {
    return this.#site.memory.view;
  }

  get bytes(): Uint8Array {
    return this.#site.memory.bytes;
  }

  /** What it was built in, if that is used again: whoever is the last to need the message gives it back. */
  get pooled(): PooledBuffer | null {
    return this.#site instanceof PooledBuffer ? this.#site : null;
  }

  get base(): number {
    return this.#base;
  }

  /** Does `copy`, which may use no more than `words` new words. */
  copying(words: number, copy: () => void): void {
    const outer = this.#copying;
    this.#copying = { end: this.#used + words, words };
    try {
      copy();
    } finally {
      this.#copying = outer;
    }
  }

  /** The first of `words` new words. */
  allocate(words: number): number {
    const start = this.#used;
    const used = start + words;
    if (this.#copying !== null && used > this.#copying.end) {
      throw new MessageError(
        `the copy would be larger than the message it is from, which has ${this.#copying.words} words: objects in it overlap`,
        'ERR_MESSAGE_LIMIT',
      );
    }
    if (used > MAX_WORDS)
      throw new MessageError(`a message of more than ${MAX_WORDS} words`, 'ERR_MESSAGE_LIMIT');
    if (used * 8 > this.#room) {
      const before = this.#site;
      const written = this.#site.memory.part(this.#base, start * 8);
      const room = Math.max(used * 8, this.#room * 2);
      const site = PooledBuffer.of(room) ?? new Slab(room);
      const { memory } = site;
      memory.put(0, written);
      if (site instanceof PooledBuffer && !site.isZero) memory.bytes.fill(0, start * 8, room);
      this.#site = site;
      this.#room = room;
      this.#base = 0;
      if (before instanceof PooledBuffer && !this.#isSeen) before.giveBack();
      this.#isSeen = false;
    }
    this.#used = used;
    return start;
  }
}

/** A slot for a pointer. */
export class PointerBuilder {
  constructor(
    private readonly message: MessageBuilder,
    private readonly word: number,
  ) {}

  #write(low: number, high: number): void {
    const { view, base } = this.message;
    view.setUint32(base + this.word * 8, low, true);
    view.setUint32(base + this.word * 8 + 4, high, true);
  }

  setNull(): void {
    this.#write(0, 0);
  }

  struct(dataWords: number, pointers: number): StructBuilder {
    const words = dataWords + pointers;
    if (words === 0) {
      // An empty struct is not null: its pointer leads to right before itself.
      this.#write((-1 << 2) >>> 0, 0);
      return new StructBuilder(this.message, this.word + 1, 0, 0);
    }
    const start = this.message.allocate(words);
    this.#write(((start - this.word - 1) << 2) >>> 0, (dataWords | (pointers << 16)) >>> 0);
    return new StructBuilder(this.message, start, dataWords, pointers);
  }

  /** A list of anything but structs. */
  list(size: ElementSize, length: number): ListBuilder {
    if (size === ElementSize.composite) throw new Error('a list of structs is made by structList()');
    checkLength(length);
    const bits = ELEMENT_BITS[size];
    const start = this.message.allocate(Math.ceil((length * bits) / 64));
    this.#write((((start - this.word - 1) << 2) | 1) >>> 0, ((length << 3) | size) >>> 0);
    const pointer = size === ElementSize.pointer;
    return new ListBuilder(this.message, start, length, bits, 0, pointer ? 1 : 0);
  }

  structList(length: number, dataWords: number, pointers: number): ListBuilder {
    checkLength(length);
    const step = dataWords + pointers;
    const words = length * step;
    if (words >= 2 ** 29) throw new MessageError(`a list of ${words} words`, 'ERR_MESSAGE_LIMIT');
    const tag = this.message.allocate(words + 1);
    this.#write((((tag - this.word - 1) << 2) | 1) >>> 0, ((words << 3) | ElementSize.composite) >>> 0);
    const { view, base } = this.message;
    view.setUint32(base + tag * 8, (length << 2) >>> 0, true);
    view.setUint32(base + tag * 8 + 4, (dataWords | (pointers << 16)) >>> 0, true);
    return new ListBuilder(this.message, tag + 1, length, step * 64, dataWords, pointers);
  }

  setData(data: Uint8Array): void {
    this.setBytes(data, data.length);
  }

  /** `data`, of which the caller knows that it has `length` bytes. Nothing of it is called. */
  setBytes(data: Uint8Array, length: number): void {
    const start = this.#bytes(length);
    // Of an empty one the buffer may have been detached.
    if (length > 0) this.message.memory.put(start, data);
  }

  /** Well-formed text: lone surrogates would come out as other characters. */
  setText(text: string): void {
    const encoded = utf8.encode(text);
    const start = this.#bytes(encoded.length + 1);
    this.message.memory.put(start, encoded);
  }

  #bytes(length: number): number {
    checkLength(length);
    const start = this.message.allocate(Math.ceil(length / 8));
    this.#write((((start - this.word - 1) << 2) | 1) >>> 0, ((length << 3) | ElementSize.byte) >>> 0);
    return this.message.base + start * 8;
  }

  setCapability(index: number): void {
    this.#write(3, index);
  }

  /**
   * A deep copy of what `from` points to, of another message, with the sizes that it has there. Bounded by that message's
   * limits and its size, for a small one whose objects overlap could be copied into a large one; throws MessageError
   * where it is malformed. `capability` gives the new index of each capability.
   */
  copy(from: PointerReader, capability: (index: number) => number = (index) => index): void {
    this.message.copying(from.messageWords, () => this.copyObject(from, capability));
  }

  /** A part of such a copy. */
  copyObject(from: PointerReader, capability: (index: number) => number): void {
    switch (from.kind) {
      case 'null':
        return this.setNull();
      case 'capability':
        return this.setCapability(capability(from.capability()!));
      case 'struct': {
        const struct = from.struct();
        const { dataBytes, pointerCount } = struct;
        return this.struct(dataBytes / 8, pointerCount).copy(struct, capability);
      }
      case 'list':
        return this.#copyList(from, capability);
    }
  }

  #copyList(from: PointerReader, capability: (index: number) => number): void {
    const list = from.list(ElementSize.void);
    const size = list.elementSize;
    if (size === ElementSize.composite) {
      const { dataWords, pointers } = list.structSize;
      const copy = this.structList(list.length, dataWords, pointers);
      if (dataWords + pointers === 0) return;
      for (let i = 0; i < list.length; i++) copy.struct(i).copy(list.struct(i), capability);
    } else if (size === ElementSize.pointer) {
      const copy = this.list(size, list.length);
      for (let i = 0; i < list.length; i++) copy.pointer(i).copyObject(list.pointer(i), capability);
    } else {
      this.list(size, list.length).setBytes(list.bytes);
    }
  }
}

const utf8 = new TextEncoder();

function checkLength(length: number): void {
  if (length >= 2 ** 29) throw new MessageError(`a list of ${length} elements`, 'ERR_MESSAGE_LIMIT');
}

/** A struct. Offsets are in bytes, for `setBool` in bits, for `pointer` in pointers; all within the struct. */
export class StructBuilder {
  constructor(
    private readonly message: MessageBuilder,
    private readonly start: number,
    private readonly dataWords: number,
    private readonly pointers: number,
  ) {}

  #at(offset: number): number {
    return this.message.base + this.start * 8 + offset;
  }

  setBool(bit: number, value: boolean): void {
    const at = this.#at(bit >>> 3);
    const mask = 1 << (bit & 7);
    const bytes = this.message.bytes;
    bytes[at] = value ? bytes[at]! | mask : bytes[at]! & ~mask;
  }
  setU8(offset: number, value: number): void {
    this.message.view.setUint8(this.#at(offset), value);
  }
  setI8(offset: number, value: number): void {
    this.message.view.setInt8(this.#at(offset), value);
  }
  setU16(offset: number, value: number): void {
    this.message.view.setUint16(this.#at(offset), value, true);
  }
  setI16(offset: number, value: number): void {
    this.message.view.setInt16(this.#at(offset), value, true);
  }
  setU32(offset: number, value: number): void {
    this.message.view.setUint32(this.#at(offset), value, true);
  }
  setI32(offset: number, value: number): void {
    this.message.view.setInt32(this.#at(offset), value, true);
  }
  setU64(offset: number, value: bigint): void {
    this.message.view.setBigUint64(this.#at(offset), value, true);
  }
  setI64(offset: number, value: bigint): void {
    this.message.view.setBigInt64(this.#at(offset), value, true);
  }
  setF32(offset: number, value: number): void {
    this.message.view.setFloat32(this.#at(offset), value, true);
  }
  setF64(offset: number, value: number): void {
    this.message.view.setFloat64(this.#at(offset), value, true);
  }

  pointer(index: number): PointerBuilder {
    if (index >= this.pointers) throw new RangeError(`pointer ${index} of a struct of ${this.pointers}`);
    return new PointerBuilder(this.message, this.start + this.dataWords + index);
  }

  /** Copies a struct that is no larger than this. */
  copy(from: StructReader, capability: (index: number) => number): void {
    this.message.memory.put(this.#at(0), from.data);
    for (let i = 0; i < from.pointerCount; i++) this.pointer(i).copyObject(from.pointer(i), capability);
  }
}

export class ListBuilder {
  constructor(
    private readonly message: MessageBuilder,
    private readonly start: number,
    readonly length: number,
    private readonly stepBits: number,
    private readonly dataWords: number,
    private readonly pointers: number,
  ) {}

  #at(index: number): number {
    return this.message.base + this.start * 8 + (index * this.stepBits) / 8;
  }

  struct(index: number): StructBuilder {
    const start = this.start + (index * this.stepBits) / 64;
    return new StructBuilder(this.message, start, this.dataWords, this.pointers);
  }
  pointer(index: number): PointerBuilder {
    return new PointerBuilder(this.message, this.start + index);
  }
  /** All elements at once, as they stand on the wire. */
  setBytes(bytes: Uint8Array): void {
    this.message.memory.put(this.#at(0), bytes);
  }
  setBool(index: number, value: boolean): void {
    const at = this.message.base + this.start * 8 + (index >>> 3);
    const mask = 1 << (index & 7);
    const bytes = this.message.bytes;
    bytes[at] = value ? bytes[at]! | mask : bytes[at]! & ~mask;
  }
  setU8(index: number, value: number): void {
    this.message.view.setUint8(this.#at(index), value);
  }
  setI8(index: number, value: number): void {
    this.message.view.setInt8(this.#at(index), value);
  }
  setU16(index: number, value: number): void {
    this.message.view.setUint16(this.#at(index), value, true);
  }
  setI16(index: number, value: number): void {
    this.message.view.setInt16(this.#at(index), value, true);
  }
  setU32(index: number, value: number): void {
    this.message.view.setUint32(this.#at(index), value, true);
  }
  setI32(index: number, value: number): void {
    this.message.view.setInt32(this.#at(index), value, true);
  }
  setU64(index: number, value: bigint): void {
    this.message.view.setBigUint64(this.#at(index), value, true);
  }
  setI64(index: number, value: bigint): void {
    this.message.view.setBigInt64(this.#at(index), value, true);
  }
  setF32(index: number, value: number): void {
    this.message.view.setFloat32(this.#at(index), value, true);
  }
  setF64(index: number, value: number): void {
    this.message.view.setFloat64(this.#at(index), value, true);
  }
}
