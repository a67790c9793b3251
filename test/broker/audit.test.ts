import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Audit } from '../../broker/audit.js';
import { createLogger } from '../../broker/log.js';
import { type Peer, peerOf } from '../../broker/peer.js';
import type { AuditEvent } from '../../broker/store/store.js';

const UNIX = peerOf({ kind: 'anyone' }, undefined, 1);
const lines: Record<string, unknown>[] = [];
const log = createLogger({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) });

let entries: Omit<AuditEvent, 'at'>[];
let full: boolean;
let audit: Audit;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2030-01-01T00:00:00Z') });
  [entries, full, lines.length] = [[], false, 0];
  audit = new Audit(
    {
      async appendAudit(event) {
        if (full) throw new Error('the store could not be written');
        entries.push(event);
      },
    },
    log,
  );
});
afterEach(() => {
  vi.useRealTimers();
});

const countOf = ({ detail }: Omit<AuditEvent, 'at'>) => Number(/^(\d+) times? since /.exec(detail!)![1]);

describe('restores and refusals', () => {
  it('are written within a second, with who it was, and then once a minute with how many there were', async () => {
    audit.restored('a', UNIX);
    audit.restored('a', peerOf({ kind: 'anyone' }, undefined, 2));
    expect(entries).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(entries).toEqual([
      { action: 'grant.restore', grant: 'a', peer: 'unix', detail: '2 times since 2030-01-01T00:00:00.000Z' },
    ]);
    for (let second = 0; second < 59; second++) {
      audit.restored('a', UNIX);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(entries).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2000);
    expect(entries.slice(1).map(countOf)).toEqual([59]);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(entries).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are told apart by the grant, by whoever is at the other end, and by the reason', async () => {
    const peers: Peer[] = [
      UNIX,
      peerOf({ kind: 'anyone' }, '127.0.0.1', 3),
      peerOf({ kind: 'unixUser', uid: 1000 }, undefined, 4),
      peerOf({ kind: 'domain', id: 'd' }, undefined, null),
    ];
    for (const peer of peers) audit.restored('a', peer);
    audit.refused('a', UNIX);
    audit.refused(null, UNIX);
    audit.callRefused('a', UNIX, 'ERR_GRANT_METHOD');
    audit.callRefused('a', UNIX, 'ERR_GRANT_CONSTRAINT');
    audit.callRefused('a', null, 'ERR_GRANT_METHOD');
    await vi.advanceTimersByTimeAsync(1000);
    expect(entries.map(({ action, grant, peer }) => [action, grant, peer])).toEqual([
      ['grant.restore', 'a', 'unix'],
      ['grant.restore', 'a', 'tcp 127.0.0.1'],
      ['grant.restore', 'a', 'unix uid 1000'],
      ['grant.restore', 'a', 'domain d'],
      ['restore.refuse', 'a', 'unix'],
      ['restore.refuse', undefined, 'unix'],
      ['call.refuse', 'a', 'unix'],
      ['call.refuse', 'a', 'unix'],
      ['call.refuse', 'a', undefined],
    ]);
    expect(entries.slice(6).map(({ detail }) => detail)).toEqual([
      '1 time since 2030-01-01T00:00:00.000Z: ERR_GRANT_METHOD',
      '1 time since 2030-01-01T00:00:00.000Z: ERR_GRANT_CONSTRAINT',
      '1 time since 2030-01-01T00:00:00.000Z: ERR_GRANT_METHOD',
    ]);
  });

  it('cannot fill a disk, however many there are, and none is left out of the counts', async () => {
    const many = 10_000;
    for (let i = 0; i < many; i++) audit.restored(`grant ${i}`, UNIX);
    for (let i = 0; i < many; i++) audit.refused(null, UNIX);
    for (let i = 0; i < many; i++) audit.callRefused(`grant ${i}`, UNIX, 'ERR_GRANT_METHOD');
    for (let second = 1; second <= 10; second++) {
      await vi.advanceTimersByTimeAsync(1000);
      expect(entries.length).toBeLessThanOrEqual(64 * second);
    }
    await vi.advanceTimersByTimeAsync(60_000);
    expect(entries.length).toBeLessThan(2 * 1024 + 10);
    const told = (action: string) =>
      entries.filter((entry) => entry.action === action).reduce((sum, entry) => sum + countOf(entry), 0);
    expect([told('grant.restore'), told('restore.refuse'), told('call.refuse')]).toEqual([many, many, many]);
  });

  it('of one kind do not keep those of another from being told apart', async () => {
    for (let i = 0; i < 10_000; i++) audit.callRefused(`grant ${i}`, UNIX, 'ERR_GRANT_METHOD');
    audit.restored('a', UNIX);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(entries.filter(({ action }) => action === 'grant.restore')).toMatchObject([
      { grant: 'a', peer: 'unix' },
    ]);
  });

  it('are written when the broker stops, all of them', async () => {
    audit.restored('a', UNIX);
    await vi.advanceTimersByTimeAsync(1000);
    audit.restored('a', UNIX);
    for (let i = 0; i < 100; i++) audit.refused(`grant ${i}`, UNIX);
    await audit.close();
    expect(entries).toHaveLength(102);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('wait where the disk is full, are told once, and are written when there is room', async () => {
    full = true;
    audit.restored('a', UNIX);
    await vi.advanceTimersByTimeAsync(5000);
    audit.restored('a', UNIX);
    expect(lines).toMatchObject([{ level: 'error', msg: expect.stringContaining('could not be written') }]);
    full = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect(entries.map(countOf)).toEqual([2]);
    expect(lines[1]).toMatchObject({
      level: 'info',
      msg: expect.stringContaining('written to the audit log again'),
    });
  });
});
