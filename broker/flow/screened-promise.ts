/**
 * A promise that passes a membrane where it may become what may not pass: what it is made of stays behind it until that is known.
 *
 * Calls wait here in their order. They would reach what the promise becomes otherwise, through the vat that has promised it,
 * before anybody could say that the caller may not have it.
 */
import { type Capability, QueuedCapability, type RpcError, settled } from '../../rpc/index.js';
import { NOWHERE } from '../bag.js';
import type { Cuttable } from '../live-grant.js';

export interface Screen {
  /** What has become of the promise, as it may pass: takes the reference over and gives a new one. */
  pass(resolved: Capability): Capability;
  /** Nothing is screened any more: it has resolved, was let go of, or was cut. */
  left(): void;
}

export class ScreenedPromise extends QueuedCapability implements Cuttable {
  readonly is = 'capability';
  place = NOWHERE;
  readonly #screen: Screen;
  #inner: Capability | null;
  #leave: (() => void) | null = null;

  /** Takes over the reference to `inner`, a promise that has not resolved. */
  constructor(inner: Capability, screen: Screen) {
    super(() => this.#end());
    this.#inner = inner;
    this.#screen = screen;
    this.#follow();
  }

  #follow(): void {
    this.#leave = null;
    const inner = this.#inner;
    if (inner === null) return;
    const end = settled(inner);
    if (end.isPromise) {
      this.#leave = end.onResolution(() => this.#follow());
      return;
    }
    const passed = this.#screen.pass(end.retain());
    // Held: what is let go of here may be what holds it.
    this.retain();
    this.#end();
    this.resolve(passed);
    this.release();
  }

  cut(reason: RpcError): void {
    if (this.#inner === null) return;
    this.retain();
    this.#end();
    this.reject(reason);
    this.release();
  }

  #end(): void {
    const inner = this.#inner;
    if (inner === null) return;
    this.#inner = null;
    this.#leave?.();
    this.#leave = null;
    this.#screen.left();
    inner.release();
  }
}
