import { blake2b } from '@noble/hashes/blake2.js';
import { scrypt } from '@noble/hashes/scrypt.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { program } from '../program.js';

export default program('hashes, and derives a key', () => {
  const bytes = new Uint8Array([1, 2, 3]);
  return [sha256(bytes), blake2b(bytes), scrypt(bytes, bytes, { N: 64, r: 2, p: 1, dkLen: 16 })].map(
    bytesToHex,
  );
});
