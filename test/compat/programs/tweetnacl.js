import nacl from 'tweetnacl';
import { program } from '../program.js';

export default program('signs, verifies, and opens a box, with keys of fixed seeds', () => {
  const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(new Uint8Array(32).fill(7));
  const message = new Uint8Array([1, 2, 3]);
  const signature = nacl.sign.detached(message, secretKey);
  const box = nacl.secretbox(message, new Uint8Array(24), new Uint8Array(32).fill(1));
  return [
    [...signature],
    nacl.sign.detached.verify(message, signature, publicKey),
    [...nacl.secretbox.open(box, new Uint8Array(24), new Uint8Array(32).fill(1))],
  ];
});
