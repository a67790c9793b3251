import BN from 'bn.js';
import { program } from '../program.js';

export default program('calculates with large integers, modulo a prime', () => {
  const p = new BN('ffffffffffffffffffffffffffffffff61', 16);
  return [
    new BN(3).toRed(BN.red(p)).redPow(new BN('1234567890')).toString(16),
    new BN(2).pow(new BN(130)).toString(10),
  ];
});
