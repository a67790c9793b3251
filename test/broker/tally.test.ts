import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../broker/log.js';
import { Refusals } from '../../broker/refusals.js';
import { Tally } from '../../broker/tally.js';

const lines: Record<string, unknown>[] = [];
const log = createLogger({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) });

beforeEach(() => {
  vi.useFakeTimers();
  lines.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

describe('what strangers cause', () => {
  it('is logged at once, and then once a second for each kind, with how many there were', () => {
    const tally = new Tally(log, 'connections were broken off', (connections, code) => ({
      code,
      connections,
    }));
    for (let i = 0; i < 10_000; i++) tally.add(i % 2 === 0 ? 'ERR_RPC_PROTOCOL' : 'ERR_RPC_ABORTED');
    expect(lines).toHaveLength(1);
    vi.advanceTimersByTime(1000);
    expect(lines.slice(1)).toMatchObject([
      { level: 'warn', msg: 'connections were broken off', code: 'ERR_RPC_ABORTED', connections: 5000 },
      { code: 'ERR_RPC_PROTOCOL', connections: 4999 },
    ]);
    tally.add('ERR_RPC_PROTOCOL');
    expect(lines).toHaveLength(3);
    vi.advanceTimersByTime(1000);
    expect(lines[3]).toMatchObject({ code: 'ERR_RPC_PROTOCOL', connections: 1 });
    vi.advanceTimersByTime(10_000);
    expect(lines).toHaveLength(4);
  });

  it('is, of restores that were refused, how many', () => {
    const refusals = new Refusals(log);
    for (let i = 0; i < 3; i++) refusals.add();
    vi.advanceTimersByTime(5000);
    expect(lines).toMatchObject([
      { msg: 'restores were refused', refused: 1 },
      { msg: 'restores were refused', refused: 2 },
    ]);
  });
});
