/**
 * What the plugin would do if it could: ways to the file system, the process, the network and to more power
 * over the account than it was given. Each has to fail, and each failure is reported. These are the plain
 * attempts that everybody thinks of; the ones that break sandboxes are in test/escapes.
 */

import type { Page } from './book.js';
import type { Posting } from './posting.js';
import type { Entry } from './record.js';

/** A stub of `Account` in ledger.capnp, as far as the plugin tries to use it. */
export interface AccountStub {
  statement(params: {
    page: Page;
  }): Promise<{ name: string; opening: bigint; entries: readonly Entry[]; closing: bigint }>;
  withdraw(params: Posting): Promise<{ entry: Entry }>;
}

export interface Attempt {
  readonly name: string;
  readonly outcome: { readonly refused: string } | { readonly escaped: string };
}

const MAX_SHOWN = 200;

export async function attempts(account: AccountStub): Promise<Attempt[]> {
  // biome-ignore lint/suspicious/noExplicitAny: it looks for what must not be there, which has no type
  const world = globalThis as any;
  // By other names than `Function`, in case only that one was thought of.
  const codeOf = (maker: object) => maker.constructor as unknown as (text: string) => () => unknown;
  const ways: [string, () => unknown][] = [
    ['read a file with process.getBuiltinModule', () => list(world.process.getBuiltinModule('node:fs'))],
    ['read a file with require', () => list(world.require('fs'))],
    [
      'read a file with process.binding',
      () => world.process.binding('fs').internalModuleReadJSON('/etc/passwd'),
    ],
    ['import node:fs from text', async () => list(await codeOf(() => 0)('return import("node:fs")')())],
    ['import node:fs in eval', async () => list(await world.eval('import("node:fs")'))],
    ['reach process by Function', () => shown(world.Function('return process.pid')())],
    [
      'reach process by a constructor',
      () => shown((codeOf([].constructor)('return process')() as { cwd(): string }).cwd()),
    ],
    [
      'reach process by an async constructor',
      async () => shown(await codeOf(async () => 0)('return process.env.PATH')()),
    ],
    [
      'reach process by a generator',
      () => shown([...(codeOf(function* () {})('yield process.pid')() as [])]),
    ],
    [
      'reach process by the granted stub',
      () => shown((codeOf(codeOf(account.withdraw))('return process.version') as () => unknown)()),
    ],
    [
      'load a native library',
      () => shown(world.process.dlopen({ exports: {} }, '/lib/x86_64-linux-gnu/libc.so.6')),
    ],
    ['read a file with fetch', async () => shown(await (await world.fetch('file:///etc/passwd')).text())],
    ['open a socket', () => shown(new world.WebSocket('ws://127.0.0.1:1/').url)],
    ['start a worker', () => shown(new world.Worker('data:text/javascript,0'))],
    ['see the frames of a stack', () => frames(world.Error)],
    [
      'withdraw a cent from the account',
      async () =>
        shown(
          (
            await account.withdraw({
              cents: 1n,
              memo: 'mine now',
              attachment: new Uint8Array(),
              reference: '',
            })
          ).entry.number,
        ),
    ],
  ];

  const tried: Attempt[] = [];
  for (const [name, way] of ways) {
    try {
      tried.push({ name, outcome: { escaped: `${await way()}`.slice(0, MAX_SHOWN) } });
    } catch (error) {
      tried.push({ name, outcome: { refused: `${error}`.slice(0, MAX_SHOWN) } });
    }
  }
  return tried;
}

function list(fs: unknown): string {
  return (fs as { readdirSync(path: string): string[] }).readdirSync('/').join(' ');
}

function shown(value: unknown): string {
  if (value === undefined || value === null) throw new Error('there was nothing there');
  return `${value}`;
}

/** A structured stack trace holds the functions of whoever called us. */
// biome-ignore lint/suspicious/noExplicitAny: as above
function frames(error: any): string {
  error.prepareStackTrace = (_: unknown, sites: { getFunction(): unknown }[]) => sites;
  const sites = new error('look').stack;
  if (typeof sites === 'string' || !sites) throw new Error('a stack is text at most');
  return `${sites[0].getFunction()}`;
}
