/**
 * Programs of a few bytes of x86-64 machine code that make one system call, and exit with 0 or with the number of its error: what native code
 * could do in the sandbox, without Node in between.
 */

import { writeFileSync } from 'node:fs';

/** An argument: a number, or the address of a page of zeroes. */
export type Argument = number | 'page';

export interface SystemCall {
  readonly number: number;
  readonly args: readonly Argument[];
  /** By the entry for programs of 32 bits, with numbers of its own. */
  readonly legacy?: boolean;
}

const BASE = 0x400000;
const HEADERS = 64 + 56;
const PAGE_OF_ZEROES = BASE + 0x1000;

/** `mov r, imm64` for rdi, rsi, rdx, r10, r8, r9. */
const MOVE_ARGUMENT = [
  [0x48, 0xbf],
  [0x48, 0xbe],
  [0x48, 0xba],
  [0x49, 0xba],
  [0x49, 0xb8],
  [0x49, 0xb9],
];

/** Exits with -rax where that is positive, otherwise with 0. */
const EXIT_WITH_ERROR = [
  ...[0x48, 0x85, 0xc0], // test rax, rax
  ...[0x79, 0x07], // jns to the xor
  ...[0x48, 0xf7, 0xd8], // neg rax
  ...[0x89, 0xc7], // mov edi, eax
  ...[0xeb, 0x02], // jmp over the xor
  ...[0x31, 0xff], // xor edi, edi
  ...[0xb8, 0xe7, 0x00, 0x00, 0x00], // mov eax, exit_group
  ...[0x0f, 0x05], // syscall
];

export function writeProgram(path: string, { number, args, legacy = false }: SystemCall): void {
  const code = [
    ...args.flatMap((arg, index) => {
      const value = Buffer.alloc(8);
      value.writeBigInt64LE(BigInt(arg === 'page' ? PAGE_OF_ZEROES : arg));
      return [...MOVE_ARGUMENT[index]!, ...value];
    }),
    ...[0xb8, ...word(number)], // mov eax, number
    ...(legacy ? [0xcd, 0x80, 0x48, 0x98] : [0x0f, 0x05]), // int 0x80, and the result is of 32 bits; syscall
    ...EXIT_WITH_ERROR,
  ];
  writeFileSync(path, executable(Buffer.from(code)), { mode: 0o755 });
}

/** A static ELF file: the code, and after it a page that can be written. */
function executable(code: Buffer): Buffer {
  const file = Buffer.alloc(HEADERS + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little endian
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(62, 18); // for x86-64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(BASE + HEADERS), 24); // the entry
  file.writeBigUInt64LE(64n, 32); // the program header
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // a segment to load
  file.writeUInt32LE(7, 68); // read, write, execute
  file.writeBigUInt64LE(BigInt(BASE), 80);
  file.writeBigUInt64LE(BigInt(BASE), 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(0x3000n, 104); // in memory
  file.writeBigUInt64LE(0x1000n, 112);
  file.set(code, HEADERS);
  return file;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
