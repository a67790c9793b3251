/** What all capabilities to one directory of the configuration share: its limits, and what is used of them. */
import { RpcError } from '../../rpc/index.js';
import { DirectoryUse } from './directory-use.js';
import type { DirectorySettings } from './settings.js';

/** So many calls may wait for each that may be at work. */
const WAITING_FOR_EACH = 16;

export class DirectoryShare {
  readonly use: DirectoryUse;
  #held = 0;
  #working = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param at where it stands in the configuration, for errors */
  constructor(
    private readonly settings: DirectorySettings,
    private readonly at: string,
  ) {
    this.use = new DirectoryUse(settings, at);
  }

  get root(): string {
    return this.settings.root;
  }

  /** How much a directory may have in it and be listed; and that for an error. */
  get maxEntries(): number {
    return this.settings.maxEntries;
  }
  get listingLimit(): string {
    return `${this.maxEntries} entries (${this.at}.maxEntries)`;
  }

  /** For the error of who may not write: by what, where it is the configuration. */
  get modeSetting(): string {
    return this.settings.mode === 'read' ? ` (${this.at}.mode)` : '';
  }

  /** One more capability to it. */
  enter(): void {
    const { maxOpen } = this.settings;
    if (this.#held >= maxOpen) {
      throw new RpcError('overloaded', `${maxOpen} directories are held (${this.at}.maxOpen)`, {
        code: 'ERR_DIRECTORY_OPEN',
      });
    }
    this.#held++;
  }

  leave(): void {
    this.#held--;
  }

  get held(): number {
    return this.#held;
  }

  /** Runs `work` when it is its turn: so many calls are at work at a time. */
  async atWork<T>(work: () => Promise<T>): Promise<T> {
    const { maxConcurrent } = this.settings;
    if (this.#working >= maxConcurrent) {
      if (this.#waiting.length >= WAITING_FOR_EACH * maxConcurrent) {
        const why = `${this.#waiting.length} calls wait already (${this.at}.maxConcurrent)`;
        throw new RpcError('overloaded', why, { code: 'ERR_DIRECTORY_BUSY' });
      }
      // Whoever ends hands its turn on.
      await new Promise<void>((turn) => this.#waiting.push(turn));
    } else this.#working++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#working--;
      else next();
    }
  }
}
