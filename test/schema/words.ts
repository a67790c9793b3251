/** Messages written word by word, for what no builder makes. "Encoding Spec", capnproto.org. */

export const NULL = 0n;

/** A pointer to a struct `offset` words behind itself. */
export function structPointer(offset: number, dataWords: number, pointers: number): bigint {
  return pointer(0, offset, (pointers << 16) | dataWords);
}

/** A pointer to a list, whose elements are of the size with this code; of structs, `count` is in words. */
export function listPointer(offset: number, elementSize: number, count: number): bigint {
  return pointer(1, offset, (count << 3) | elementSize);
}

/** Of `count` structs: what stands before the first of them. */
export function tag(count: number, dataWords: number, pointers: number): bigint {
  return pointer(0, count, (pointers << 16) | dataWords);
}

export function farPointer(segment: number, word: number, double = false): bigint {
  return (BigInt(segment >>> 0) << 32n) | (BigInt(word) << 3n) | (double ? 4n : 0n) | 2n;
}

export function capabilityPointer(index: number): bigint {
  return (BigInt(index) << 32n) | 3n;
}

/** `offset` may be negative; `high` is taken as 32 bits. */
function pointer(kind: number, offset: number, high: number): bigint {
  return (
    (BigInt.asUintN(32, BigInt(high)) << 32n) | (BigInt.asUintN(30, BigInt(offset)) << 2n) | BigInt(kind)
  );
}

/** Up to eight bytes as a word. */
export function bytes(...values: number[]): bigint {
  return values.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);
}

/** Up to eight characters as a word. */
export function ascii(text: string): bigint {
  return bytes(...Buffer.from(text, 'latin1'));
}

export function segment(...words: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(words).buffer);
}

/** The words of a segment, for messages that are mostly well-formed. */
export function wordsOf(bytes: Uint8Array): bigint[] {
  return [...new BigUint64Array(bytes.slice().buffer)];
}
