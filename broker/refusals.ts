/** What is said of refused restores: how many there were. */
import type { Logger } from 'pino';
import { Tally } from './tally.js';

export class Refusals extends Tally {
  constructor(log: Logger) {
    super(log, 'restores were refused', (refused) => ({ refused }));
  }
}
