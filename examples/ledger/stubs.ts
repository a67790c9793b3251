/**
 * The example's interfaces as a Node program holds them: ledger.capnp and statement.capnp are the reference, and this says
 * the same in TypeScript.
 */

import type { Pending, Stub } from '../../rpc/index.js';
import type { Page } from './book.js';
import type { Entry } from './record.js';

type Nothing = Record<never, never>;
type Posting = {
  readonly cents: bigint;
  readonly memo?: string;
  readonly attachment?: Uint8Array;
  readonly reference?: string;
};

export interface Ledger extends Stub {
  open(params: { name: string }): Pending<{ account: Account; isNew: boolean }>;
  find(params: { name: string }): Pending<{ account: Account }>;
  accounts(params: { after?: string; limit?: number }): Pending<{
    accounts: readonly { name: string; balance: bigint; account: Account }[];
  }>;
  transfer(params: Posting & { from: Account; to: Account }): Pending<{ entry: Entry }>;
}

export interface Account extends Stub {
  balance(params: Nothing): Pending<{ cents: bigint }>;
  deposit(params: Posting): Pending<{ entry: Entry }>;
  withdraw(params: Posting): Pending<{ entry: Entry }>;
  statement(params: { page: Partial<Page> }): Pending<{
    name: string;
    opening: bigint;
    entries: readonly Entry[];
    closing: bigint;
  }>;
  next(params: { after: number }): Pending<{ entry: Entry }>;
  watch(params: { watcher: Watcher }): Pending<{ watch: Watch }>;
}

/** Implemented by whoever wants to be told. */
export interface Watcher {
  booked(params: { entry: Entry }): Promise<Nothing>;
}

export interface Watch extends Stub {
  stop(params: Nothing): Pending<Nothing>;
}

export interface Statement extends Stub {
  render(params: { format: 'text' | 'html'; limit?: number }): Pending<{
    document: { text: string } | { html: string };
  }>;
  attempts(params: Nothing): Pending<{
    attempts: readonly { name: string; outcome: { refused: string } | { escaped: string } }[];
  }>;
}
