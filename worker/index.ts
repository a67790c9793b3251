/** For authors of domains: types only, so that importing it puts nothing into a program. */
export type { CallContext, CallSignal } from '../rpc/index.js';
export type { Own, Program, Start, World } from './world.js';
