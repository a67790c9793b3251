/** A host in the sandbox does not outlive its broker, whatever it does: here it never comes back to its loop, where it would notice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { noSandbox } from './needs-bubblewrap.js';

const BROKER = fileURLToPath(new URL('../../dist/test/sandbox/short-lived-broker.js', import.meta.url));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The pid of a host in this tier, whose broker has been killed. */
async function orphan(tier: string): Promise<number> {
  const broker = spawn(process.execPath, [BROKER, tier], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: broker.stdout }), 'line');
  const pid = Number(line);
  expect(isAlive(pid)).toBe(true);
  broker.kill('SIGKILL');
  await once(broker, 'exit');
  return pid;
}

describe.skipIf(noSandbox)('a host whose broker was killed', () => {
  it('lives on without the sandbox, in a turn that never ends', async () => {
    const pid = await orphan('thread');
    try {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(isAlive(pid)).toBe(true);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  it('is gone in the sandbox', async () => {
    const pid = await orphan('sandbox');
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });
});
