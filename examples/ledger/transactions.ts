/**
 * Reads the example's input: a CSV file of transactions, and books it through the Ledger as any client would.
 * The reference of each line makes it safe to run again: what is booked is not booked twice.
 */

import { readFile } from 'node:fs/promises';
import type { Account, Ledger } from './stubs.js';

export interface Transaction {
  readonly reference: string;
  /** The name of an account, or `cash`. */
  readonly from: string;
  readonly to: string;
  readonly cents: bigint;
  readonly memo: string;
}

const COLUMNS = ['reference', 'from', 'to', 'amount', 'memo'];
const CASH = 'cash';

/** @throws Error naming the file and the line of the first mistake. */
export async function readTransactions(path: string): Promise<Transaction[]> {
  const [head, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n');
  if (head !== COLUMNS.join(',')) throw new Error(`${path}: line 1 must be ${COLUMNS.join(',')}`);
  return lines.map((line, index) => {
    const cells = cellsOf(line);
    const [reference = '', from = '', to = '', amount = '', memo = ''] = cells;
    const where = `${path}: line ${index + 2}`;
    if (cells.length !== COLUMNS.length) {
      throw new Error(`${where} has ${cells.length} cells; must be ${COLUMNS.length}`);
    }
    if (!/^\d+\.\d\d$/.test(amount)) throw new Error(`${where}: amount ${amount}; must be like 12.34`);
    if (reference === '') throw new Error(`${where} has no reference, and would be booked twice`);
    return { reference, from, to, cents: BigInt(amount.replace('.', '')), memo };
  });
}

/** Opens the accounts that are named and books each transaction. Gives the accounts, for the caller to dispose. */
export async function book(
  ledger: Ledger,
  transactions: readonly Transaction[],
): Promise<Map<string, Account>> {
  const names = new Set(transactions.flatMap(({ from, to }) => [from, to]));
  names.delete(CASH);
  const accounts = new Map<string, Account>();
  for (const name of names) accounts.set(name, (await ledger.open({ name })).account);

  for (const { from, to, ...posting } of transactions) {
    const [payer, payee] = [accounts.get(from), accounts.get(to)];
    if (payer && payee) await ledger.transfer({ from: payer, to: payee, ...posting });
    else if (payee) await payee.deposit(posting);
    else if (payer) await payer.withdraw(posting);
  }
  return accounts;
}

/** The cells of a line as RFC 4180 has them; a cell cannot hold a line break here. None where it is malformed. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  for (let rest = `${line},`; rest !== ''; ) {
    const cell = /^(?:"((?:[^"]|"")*)"|([^",]*)),/.exec(rest);
    if (!cell) return [];
    cells.push(cell[1]?.replaceAll('""', '"') ?? cell[2] ?? '');
    rest = rest.slice(cell[0].length);
  }
  return cells;
}
