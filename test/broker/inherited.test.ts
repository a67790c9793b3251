import { readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LEDGER_DOMAIN, Running } from './running.js';

let running: Running;

beforeAll(async () => {
  running = await Running.start({ ledger: LEDGER_DOMAIN });
});

afterAll(() => running.stop());

it.runIf(process.platform === 'linux')("a host process holds none of the broker's files", async () => {
  const operator = await running.operator();
  await operator.start({ domain: 'ledger' });
  const { hostPid } = (await operator.domains()).domains[0];
  const open = readdirSync(`/proc/${hostPid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${hostPid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
  expect(open.length).toBeGreaterThan(3);
  expect(open.filter((path) => path.startsWith(running.folder))).toEqual([]);
  // This process does hold the store: the look was a real one.
  const own = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  expect(own.some((path) => path.startsWith(running.folder))).toBe(true);
});
