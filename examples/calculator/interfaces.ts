/**
 * The calculator's interfaces as a Node program holds them: calculator.capnp is the reference, and this says the same in
 * TypeScript.
 */
import { readFileSync } from 'node:fs';
import type { Pending, SocketAddress, Stub } from '../../rpc/index.js';
import { SchemaGraph } from '../../schema/index.js';

/** What `capnp compile -o- calculator.capnp` prints. */
export const schema = SchemaGraph.load(readFileSync(new URL('calculator.cgr', import.meta.url)));

export type Operator = 'add' | 'subtract' | 'multiply' | 'divide';

export type Expression =
  | { readonly literal: number }
  | { readonly previousResult: Value }
  | { readonly parameter: number }
  | { readonly call: { readonly function: Func; readonly params: readonly Expression[] } };

export interface Calculator extends Stub {
  evaluate(params: { expression: Expression }): Pending<{ value: Value }>;
  defFunction(params: { paramCount: number; body: Expression }): Pending<{ func: Func }>;
  getOperator(params: { op: Operator }): Pending<{ func: Func }>;
}

export interface Value extends Stub {
  read(params: object): Pending<{ value: number }>;
}

export interface Func extends Stub {
  call(params: { params: readonly number[] }): Pending<{ value: number }>;
}

/** `HOST:PORT`, or the path of a unix socket. */
export function parseAddress(text: string): SocketAddress {
  const [, host, port] = /^([^/]+):(\d+)$/.exec(text) ?? [];
  return host === undefined ? { path: text } : { host, port: Number(port) };
}
