import CryptoJS from 'crypto-js';
import { program } from '../program.js';

export default program('encrypts with a fixed key, decrypts, and hashes', () => {
  const key = CryptoJS.enc.Hex.parse('00112233445566778899aabbccddeeff');
  const packed = CryptoJS.AES.encrypt('secret', key, { iv: key }).toString();
  return [
    packed,
    CryptoJS.AES.decrypt(packed, key, { iv: key }).toString(CryptoJS.enc.Utf8),
    CryptoJS.MD5('a').toString(),
  ];
});
