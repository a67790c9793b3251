/** Randomness, as a capability: Random of schema/sturdy.capnp. */
import { randomBytes } from 'node:crypto';
import { RpcError } from '../../rpc/index.js';

export const MAX_RANDOM_BYTES = 65_536;

export class RandomPower {
  bytes({ count }: { count: number }): { bytes: Uint8Array } {
    if (count > MAX_RANDOM_BYTES) {
      throw new RpcError('failed', `count: ${count} bytes; at most ${MAX_RANDOM_BYTES} are given at a time`, {
        code: 'ERR_RANDOM_COUNT',
      });
    }
    return { bytes: new Uint8Array(randomBytes(count)) };
  }
}
