/**
 * Builds the programs in other languages, which are kept: no test has to wait for a compiler then.
 *
 * usage: node dist/test/interop/build.js
 */
import { peerIn } from './arrangements.js';

for (const [language, find] of Object.entries(peerIn)) {
  const peer = await find();
  if ('missing' in peer) console.error(`${language}: ${peer.missing}`);
}
