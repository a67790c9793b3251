/** Messages in stream framing, and messages whose objects are scattered over segments. */

/** Each message as its segments, one after the other. */
export function framed(messages: readonly (readonly Uint8Array[])[]): Uint8Array {
  const parts = messages.flatMap((segments) => {
    const header = new DataView(new ArrayBuffer(8 * Math.ceil((segments.length + 1) / 2)));
    header.setUint32(0, segments.length - 1, true);
    segments.forEach((segment, i) => {
      header.setUint32(4 + 4 * i, segment.length / 8, true);
    });
    return [new Uint8Array(header.buffer), ...segments];
  });
  return new Uint8Array(Buffer.concat(parts));
}

export function unframed(stream: Uint8Array): Uint8Array[][] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const messages: Uint8Array[][] = [];
  for (let at = 0; at < stream.length; ) {
    const count = view.getUint32(at, true) + 1;
    let start = at + 8 * Math.ceil((count + 1) / 2);
    const segments: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const end = start + view.getUint32(at + 4 + 4 * i, true) * 8;
      segments.push(stream.slice(start, end));
      start = end;
    }
    messages.push(segments);
    at = start;
  }
  return messages;
}

/**
 * A copy of a message of one segment, which has no far pointers, in which every object stands in a segment that `choose`
 * says, with gaps of garbage between them, behind a near, far or double-far pointer. `choose(n)` is from 0 to n - 1.
 */
export function scattered(message: Uint8Array, choose: (below: number) => number): Uint8Array[] {
  const source = new BigUint64Array(message.slice().buffer);
  const segments: bigint[][] = Array.from({ length: 1 + choose(5) }, () => []);
  segments[0]!.push(0n);

  const allocate = (segment: number, words: number): number => {
    for (let gap = choose(3); gap > 0; gap--) segments[segment]!.push(0xbad0_bad0_bad0_bad0n);
    const start = segments[segment]!.length;
    for (let i = 0; i < words; i++) segments[segment]!.push(0n);
    return start;
  };

  /** Writes the pointer `word` of the source, moved to where its object has gone. */
  const place = (pointer: bigint, object: Place, slot: Place): void => {
    const put = ({ segment, word }: Place, value: bigint) => {
      segments[segment]![word] = value;
    };
    const near = (from: Place) =>
      (pointer & ~0xffff_fffcn) | (BigInt.asUintN(30, BigInt(object.word - from.word - 1)) << 2n);
    const far = (to: Place, double: bigint) =>
      (BigInt(to.segment) << 32n) | (BigInt(to.word) << 3n) | (double << 2n) | 2n;
    const form = choose(3);
    if (form === 0 && slot.segment === object.segment) return put(slot, near(slot));
    if (form < 2) {
      const pad = { segment: object.segment, word: allocate(object.segment, 1) };
      put(pad, near(pad));
      return put(slot, far(pad, 0n));
    }
    const segment = choose(segments.length);
    const pad = { segment, word: allocate(segment, 2) };
    put(pad, far(object, 0n));
    put({ segment, word: pad.word + 1 }, pointer & ~0xffff_fffcn);
    put(slot, far(pad, 1n));
  };

  const copyPointer = (from: number, slot: Place): void => {
    const pointer = source[from]!;
    if (pointer === 0n) return;
    if ((pointer & 3n) === 3n) {
      segments[slot.segment]![slot.word] = pointer;
      return;
    }
    const start = from + 1 + Number(BigInt.asIntN(30, (pointer >> 2n) & 0x3fff_ffffn));
    const isList = (pointer & 3n) === 1n;
    const high = Number(pointer >> 32n);
    const segment = choose(segments.length);
    /** Copies `data` words and then `pointers` pointers. */
    const copyWords = (at: number, to: number, data: number, pointers: number) => {
      for (let i = 0; i < data; i++) segments[segment]![to + i] = source[at + i]!;
      for (let i = data; i < data + pointers; i++) copyPointer(at + i, { segment, word: to + i });
    };
    let word: number;
    if (!isList) {
      const [data, pointers] = [high & 0xffff, high >>> 16];
      word = allocate(segment, data + pointers);
      copyWords(start, word, data, pointers);
    } else if ((high & 7) === 7) {
      const tag = source[start]!;
      const count = Number((tag & 0xffff_ffffn) >> 2n);
      const [data, pointers] = [Number((tag >> 32n) & 0xffffn), Number(tag >> 48n)];
      word = allocate(segment, 1 + (high >>> 3));
      segments[segment]![word] = tag;
      for (let i = 0; i < count; i++) {
        const offset = 1 + i * (data + pointers);
        copyWords(start + offset, word + offset, data, pointers);
      }
    } else {
      const isPointers = (high & 7) === 6;
      const words = Math.ceil(((high >>> 3) * [0, 1, 8, 16, 32, 64, 64][high & 7]!) / 64);
      word = allocate(segment, words);
      copyWords(start, word, isPointers ? 0 : words, isPointers ? words : 0);
    }
    place(pointer, { segment, word }, slot);
  };

  copyPointer(0, { segment: 0, word: 0 });
  // The C++ implementation takes a segment without words for one that is not there; an empty list may have gone to one.
  for (const words of segments) if (words.length === 0) words.push(0n);
  return segments.map((words) => new Uint8Array(BigUint64Array.from(words).buffer));
}

interface Place {
  readonly segment: number;
  readonly word: number;
}
