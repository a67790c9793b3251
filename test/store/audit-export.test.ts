/** What a verification of an export finds: every line that was changed, taken out, put in or moved. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { verifyExport } from '../../broker/store/audit-export.js';
import { endLine, exportLine } from '../../broker/store/audit-line.js';
import { auditOf } from '../../broker/store/audit-reader.js';
import { LmdbStore } from '../../broker/store/lmdb-store.js';
import type { AuditEntry } from '../../broker/store/store.js';
import { grantOf } from './new-grant.js';

let entries: AuditEntry[];
let lines: string[];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sturdy-export-'));
  const store = await LmdbStore.open(folder);
  const domain = await store.domainId('ledger');
  const note = { by: 'operator', peer: 'unix, connection 1' };
  const root = await store.mintGrant(grantOf(domain), note);
  await store.revokeSubtree((await store.mintGrant(grantOf(domain, { parent: root.id }), note)).id, note);
  for (const detail of ['', 'with "quotes"\n\u202e', '世界', 'a lone \ud800 surrogate', 'x'.repeat(3000)])
    await store.appendAudit({ action: 'test', detail });
  entries = store.audit(0, 100);
  lines = [
    ...entries.map((entry) => JSON.stringify(exportLine(entry))),
    JSON.stringify(endLine(entries.at(-1)!)),
  ];
  await store.close();
  rmSync(folder, { recursive: true });
});

async function* each(some: readonly string[]): AsyncGenerator<string> {
  yield* some;
}

const verdict = (some: readonly string[], after?: number) =>
  verifyExport(each(some), after).then(
    () => null,
    (error: Error) => error.message,
  );

const changed = (at: number, change: object) =>
  lines.with(at, JSON.stringify({ ...JSON.parse(lines[at]!), ...change }));

describe('an export', () => {
  it('is as it was written: its end is the last entry', async () => {
    const { sequence, hash } = entries.at(-1)!;
    expect(await verifyExport(each(lines))).toEqual({ sequence, hash });
    expect(await verifyExport(each(lines.slice(3)), 3)).toEqual({ sequence, hash });
  });

  it('does not depend on the order of the fields in a line', async () => {
    const turned = lines.map((line) =>
      JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(line)).reverse())),
    );
    expect(await verdict(turned)).toBe(null);
  });

  it.each<[string, () => readonly string[], string]>([
    ['a field that was changed', () => changed(1, { by: 'somebody else' }), 'line 2: entry 2 was changed'],
    ['a time that was changed', () => changed(2, { at: 1 }), 'line 3: entry 3 was changed'],
    ['a field that was added', () => changed(0, { detail: 'and more' }), 'line 1: entry 1 was changed'],
    ['a field that no entry has', () => changed(0, { note: 'x' }), 'line 1: entry 1 was changed'],
    ['a number that was changed', () => changed(3, { sequence: 5 }), 'line 4: entry 5 was changed'],
    ['a hash that was changed', () => changed(3, { hash: '0'.repeat(64) }), 'line 4: entry 4 was changed'],
    [
      'a first entry that was taken out',
      () => lines.slice(1),
      'line 1: where entry 1 is expected, there is entry 2',
    ],
    [
      'one that was taken out',
      () => lines.toSpliced(3, 1),
      'line 4: where entry 4 is expected, there is entry 5',
    ],
    ['a last one that was taken out', () => lines.toSpliced(-2, 1), 'entries were removed'],
    ['one that is there twice', () => lines.toSpliced(3, 0, lines[2]!), 'line 4: where entry 4 is expected'],
    [
      'two that changed places',
      () => lines.with(1, lines[2]!).with(2, lines[1]!),
      'line 2: where entry 2 is expected',
    ],
    ['an end that is missing', () => lines.slice(0, -1), 'the end is missing; the file was cut short'],
    ['nothing at all', () => [], 'behind line 0 (nothing): the end is missing'],
    ['something behind the end', () => [...lines, lines[0]!], `it stands behind the end`],
    ['what is no entry', () => lines.with(2, 'null'), 'line 3: it is not an entry of an audit log'],
  ])('shows %s', async (_what, make, found) => {
    expect(await verdict(make())).toContain(found);
  });

  it('shows any character that was changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.nat(),
        fc.constantFrom('0', 'x', ' ', '"', '}'),
        async (a, b, character) => {
          const at = a % lines.length;
          const line = lines[at]!;
          const place = b % line.length;
          const other = line.slice(0, place) + character + line.slice(place + 1);
          fc.pre(other !== line && meaning(other) !== meaning(line));
          expect(await verdict(lines.with(at, other))).not.toBe(null);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('made anew from an entry on is shown by an entry that was noted', async () => {
    const known = { sequence: 4, hash: entries[3]!.hash };
    expect(await verifyExport(each(lines), 0, known)).toBeTruthy();
    await expect(verifyExport(each(lines), 0, { ...known, hash: entries[4]!.hash })).rejects.toThrow(
      'entry 4 is not the one that is known',
    );
    await expect(verifyExport(each(lines), 0, { ...known, sequence: 99 })).rejects.toThrow(
      'entry 99, which is known, is not in the file',
    );
  });
});

it('The audit log of a damaged store is read up to the first entry that is damaged', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sturdy-export-'));
  const store = await LmdbStore.open(folder);
  for (const detail of ['one', 'two', 'the third one', 'four'])
    await store.appendAudit({ action: 'test', detail });
  await store.close();
  const path = join(folder, 'store.mdb');
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf('the third'); at !== -1; at = bytes.indexOf('the third', at + 1))
    bytes[at]! ^= 1;
  writeFileSync(path, bytes);
  const { entries: read, last } = await auditOf(folder, 0, 10);
  expect([read.map(({ detail }) => detail), last]).toEqual([['one', 'two'], 4]);
  await expect(auditOf(folder, 2, 10)).rejects.toThrow('the record of table audit, entry 3, is damaged');
  expect((await auditOf(folder, 3, 10)).entries).toHaveLength(1);
  rmSync(folder, { recursive: true });
});

function meaning(line: string): string {
  try {
    return JSON.stringify(JSON.parse(line));
  } catch {
    return line;
  }
}
