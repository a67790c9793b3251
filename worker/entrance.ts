/** The domain's side of domain.capnp, as stubs: types only. */

import type { Stub } from '../rpc/index.js';
import type { Ownership } from './make-world.js';

export interface Threshold extends Stub {
  enter(params: { token: Uint8Array }): Promise<{ admission: Admission }>;
}

export interface Admission extends Stub {
  load(): Promise<{ program: LoadedProgram }>;
  ready(params: { restorer: Stub }): Promise<object>;
  failed(params: { message: string }): Promise<object>;
  own(params: { cap: Stub }): Promise<{ result: Ownership }>;
}

export interface LoadedProgram {
  readonly name: string;
  readonly source: string;
  readonly schemas: readonly Uint8Array[];
  readonly mainInterface: bigint;
  readonly grants: readonly {
    readonly name: string;
    readonly interfaceId: bigint;
    readonly cap: Stub | null;
  }[];
}
