/**
 * An assembler for the few instructions of classic BPF that a seccomp filter is made of. A program is built of blocks that are
 * entered on a condition and end with a verdict, so that no jump is ever written by hand. It knows no system call.
 */

export type Instruction = {
  readonly code: number;
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly k: number;
};
export type Block = readonly Instruction[];

/** linux/bpf_common.h: the class, the size or operation, and the mode of each instruction that is used here. */
const LOAD_WORD_ABSOLUTE = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_ANY_BIT = 0x45;
const RETURN = 0x06;

/** A conditional jump has 8 bits to say how far. */
const LONGEST_JUMP = 255;
/** BPF_MAXINSNS: the kernel takes no longer program. */
const MOST_INSTRUCTIONS = 4096;

/** Loads the 32-bit word at `offset` of the data that the filter is run on. */
export const load = (offset: number): Block => [
  { code: LOAD_WORD_ABSOLUTE, ifTrue: 0, ifFalse: 0, k: offset },
];

/** Ends the filter with this verdict. */
export const verdict = (value: number): Block => [{ code: RETURN, ifTrue: 0, ifFalse: 0, k: value }];

/** Runs `block` where the loaded word is `k`. */
export const whenEqual = (k: number, block: Block): Block => [
  { code: JUMP_IF_EQUAL, ifTrue: 0, ifFalse: jumpOver(block), k },
  ...block,
];

/** Runs `block` where the loaded word is not `k`. */
export const unlessEqual = (k: number, block: Block): Block => [
  { code: JUMP_IF_EQUAL, ifTrue: jumpOver(block), ifFalse: 0, k },
  ...block,
];

/** Runs `block` where the loaded word has any bit of `mask`. */
export const whenAnyBit = (mask: number, block: Block): Block => [
  { code: JUMP_IF_ANY_BIT, ifTrue: 0, ifFalse: jumpOver(block), k: mask },
  ...block,
];

function jumpOver(block: Block): number {
  if (block.length > LONGEST_JUMP) {
    throw new Error(`a block of ${block.length} instructions; a jump goes over ${LONGEST_JUMP} at most`);
  }
  return block.length;
}

/** The program as the kernel takes it: an array of `struct sock_filter`, in the byte order of the machines that Sturdy knows. */
export function assemble(program: Block): Buffer {
  if (program.length > MOST_INSTRUCTIONS) {
    throw new Error(
      `a program of ${program.length} instructions; the kernel takes ${MOST_INSTRUCTIONS} at most`,
    );
  }
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, ifTrue, ifFalse, k }] of program.entries()) {
    const at = index * 8;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(ifTrue, at + 2);
    bytes.writeUInt8(ifFalse, at + 3);
    bytes.writeUInt32LE(k >>> 0, at + 4);
  }
  return bytes;
}
