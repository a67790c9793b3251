/**
 * The params of a call or its results: a message's content, and the capabilities that the content names by index.
 *
 * A payload owns one reference to each of its capabilities, until `release()`. Its content is a view of bytes that may be
 * a peer's, so it is read within limits and never trusted.
 */

import type { MessageBuilder, PointerReader } from '../schema/index.js';
import { type Body, BuiltBody, contentBuilder } from './body.js';
import type { Capability } from './capability.js';
import type { Path } from './places.js';

const NO_CAPABILITIES: readonly (Capability | null)[] = Object.freeze([]);

export class Payload {
  #released = false;

  /** Takes over the references in `capabilities`. */
  constructor(
    readonly body: Body,
    readonly capabilities: readonly (Capability | null)[] = NO_CAPABILITIES,
  ) {}

  /** What was built in `builder`, one of `contentBuilder`'s. Takes it over, and the references. */
  static built(
    builder: MessageBuilder,
    capabilities: readonly (Capability | null)[] = NO_CAPABILITIES,
  ): Payload {
    return new Payload(new BuiltBody(builder), capabilities);
  }

  /** The payload of nothing: a null pointer, no capabilities. */
  static empty(): Payload {
    return Payload.built(contentBuilder(0));
  }

  /** A payload that is nothing but `capability`, whose reference it takes over. */
  static ofCapability(capability: Capability): Payload {
    const builder = contentBuilder();
    builder.root.setCapability(0);
    return Payload.built(builder, [capability]);
  }

  /** The content, to be read within limits. */
  get content(): PointerReader {
    return this.body.content;
  }

  /**
   * Where in `capabilities` the end of `path` is, a list of pointer indexes: what PromisedAnswer.transform means. Null
   * for a null pointer, and where there are no capabilities at all: then nothing is looked at. Throws where the content has
   * something else there.
   */
  indexAt(path: Path): number | null {
    if (this.capabilities.length === 0) return null;
    return this.content.capabilityAlong(path);
  }

  /** The capability at the end of `path`. Borrowed; null where there is none. */
  capabilityAt(path: Path): Capability | null {
    const index = this.indexAt(path);
    return index === null ? null : (this.capabilities[index] ?? null);
  }

  /** Whoever it came to has read the content, and nobody will again. With capabilities it is needed to find them. */
  finishReading(): void {
    if (this.capabilities.length === 0) this.body.end();
  }

  /** Hands back everything: of a call's params, by whoever they came to, who does nothing with them. */
  discard(): void {
    this.release();
    this.body.end();
  }

  /** The same payload with references of its own: itself, where there are none. */
  share(): Payload {
    if (this.capabilities.length === 0) return this;
    return new Payload(
      this.body,
      this.capabilities.map((capability) => capability?.retain() ?? null),
    );
  }

  /** Hands back every capability. Safe to call twice. */
  release(): void {
    if (this.#released || this.capabilities.length === 0) return;
    this.#released = true;
    for (const capability of this.capabilities) capability?.release();
  }
}
