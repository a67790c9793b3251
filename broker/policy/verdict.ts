/** What a grant says of a call, or of results, that are about to pass. */
import type { RpcError } from '../../rpc/index.js';

/** Not yet: it waits, in order, until more of what is counted was reserved on disk. */
export const IN_LINE = Symbol('in line');

/** Null: it may pass, and was counted where it has to be. An error: it may not. */
export type Verdict = RpcError | typeof IN_LINE | null;
