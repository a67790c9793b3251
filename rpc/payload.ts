/**
 * The params of a call or its results: a message's content, and the capabilities that the content names by index.
 *
 * A payload owns one reference to each of its capabilities, until `release()`. Its content is a view of bytes that may be
 * a peer's, so it is read within limits and never trusted.
 */
import { MessageBuilder, type PointerReader } from '../schema/index.js';
import type { Capability } from './capability.js';

export class Payload {
  #released = false;

  /** Takes over the references in `capabilities`. */
  constructor(
    readonly content: PointerReader,
    readonly capabilities: readonly (Capability | null)[],
  ) {}

  /** The payload of nothing: a null pointer, no capabilities. */
  static empty(): Payload {
    return new Payload(new MessageBuilder(1).asReader().root, []);
  }

  /** A payload that is nothing but `capability`, whose reference it takes over. */
  static ofCapability(capability: Capability): Payload {
    const message = new MessageBuilder(1);
    message.root.setCapability(0);
    return new Payload(message.asReader().root, [capability]);
  }

  /**
   * Where in `capabilities` the end of `path` is, a list of pointer indexes: what PromisedAnswer.transform means. Null
   * for a null pointer. Throws where the content has something else there.
   */
  indexAt(path: readonly number[]): number | null {
    return this.content.capabilityAlong(path);
  }

  /** The capability at the end of `path`. Borrowed; null where there is none. */
  capabilityAt(path: readonly number[]): Capability | null {
    const index = this.indexAt(path);
    return index === null ? null : (this.capabilities[index] ?? null);
  }

  /** The same payload with references of its own. */
  share(): Payload {
    return new Payload(
      this.content,
      this.capabilities.map((capability) => capability?.retain() ?? null),
    );
  }

  /** Hands back every capability. Safe to call twice. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const capability of this.capabilities) capability?.release();
  }
}
