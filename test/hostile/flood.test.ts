/**
 * A broker in a process of its own, under a flood of a hundred hostile connections of ten kinds, from another process; and a
 * client that behaves, here, whose calls must all succeed. The broker's memory is looked at from outside.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connectSocket } from 'sturdy/rpc';
import { describe, expect, it } from 'vitest';
import { type AnyStub, Client, ledgerGraph } from '../broker/running.js';

const FLOOD_SECONDS = Number(process.env['FLOOD_SECONDS'] ?? 6);
const CONNECTIONS = 100;

/**
 * What the broker's process may hold of messages, in MiB: the 128 of `listen.limits.messageMiB` and the shares of a hundred connections,
 * all of it again for what is passed on to the domain, and the 32 that are kept to be used again.
 */
const MESSAGES = 352;
/** And in its heap: itself, and what its tables have of a hundred connections. */
const HEAP = 160;
/** What it may have in memory, with what waits to be collected: that is more where more comes in the same time. */
const BOUND = 800;
/** Resident MiB that may stay when it is over: what the allocator keeps. The heap and the buffers go back to where they were. */
const REST = 384;

const MIB = 1024 * 1024;

function started(name: string): ChildProcess {
  const script = fileURLToPath(new URL(`../../dist/test/hostile/${name}.js`, import.meta.url));
  if (!existsSync(script)) throw new Error(`${script} does not exist: run npm run build first`);
  return fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** The next message of a child; rejects if it ends before. */
// biome-ignore lint/suspicious/noExplicitAny: what the child says.
function said(child: ChildProcess): Promise<any> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the child process ended (${code})`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.removeListener('exit', ended);
      resolve(message);
    });
  });
}

/** The resident memory of a process, in MiB; 0 of one that has ended. */
function residentMiB(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) / 1024;
}

describe.skipIf(!existsSync('/proc/self/status'))('a flood of a hundred hostile connections', () => {
  it('leaves the calls of others alone, and the memory of the broker within its bound', async () => {
    const broker = started('broker-process');
    const flood = started('flood-process');
    let highest = 0;
    let sampler: NodeJS.Timeout | undefined;
    try {
      const at = await said(broker);
      const collected = () => {
        broker.send('collect');
        return said(broker);
      };
      const good = new Client(await connectSocket({ path: at.socket }));
      const ledger = await good.restore(Buffer.from(at.good, 'hex'), ledgerGraph.interface('Ledger'));
      const { account } = (await ledger['open']!({ name: 'good' })) as { account: AnyStub };
      const before = { resident: residentMiB(at.pid), ...(await collected()) };

      flood.send({ socket: at.socket, secret: at.hostile, connections: CONNECTIONS });
      await said(flood);
      sampler = setInterval(() => {
        highest = Math.max(highest, residentMiB(at.pid));
      }, 20);
      let done = 0;
      const deadline = Date.now() + FLOOD_SECONDS * 1000;
      const steady = async () => {
        while (Date.now() < deadline) {
          const cents = BigInt(done + 1);
          await account['deposit']!({
            cents,
            memo: 'during the flood',
            attachment: new Uint8Array(200),
            reference: '',
          });
          await account['balance']!({});
          done++;
        }
      };
      await Promise.all([steady(), steady()]).catch(async (cause) => {
        const { domains } = await collected();
        throw new Error(`a call of the client that behaves failed; domains: ${JSON.stringify(domains)}`, {
          cause,
        });
      });
      const { memory } = await collected();
      flood.send('stop');
      const report = await said(flood);
      // A call that was made before the flood was over has been answered by now; and so is the next one.
      await account['balance']!({});
      await goneTo(before.connections, collected);
      const measured = async () => ({ ...(await collected()), resident: residentMiB(at.pid) });
      let after = await measured();
      // What is kept to be used again is let go of within two seconds.
      const isMuch = () =>
        after.memory.arrayBuffers > before.memory.arrayBuffers + 8 * MIB ||
        after.resident > before.resident + REST / 2;
      for (let i = 0; i < 30 && isMuch(); i++) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        after = await measured();
      }
      console.log(
        `${report.connections} hostile connections sent ${(report.bytes / MIB).toFixed()} MiB in ${FLOOD_SECONDS} s, ${report.cut} were cut; ` +
          `${done} times two calls of another client succeeded; resident MiB: ${before.resident.toFixed()} before, ` +
          `at most ${highest.toFixed()}, ${after.resident.toFixed()} after; held in the end of it ${(memory.heapUsed / MIB).toFixed()} + ${(memory.arrayBuffers / MIB).toFixed()}`,
      );

      expect(done).toBeGreaterThan(0);
      for (const [kind, { bytes }] of Object.entries<{ bytes: number }>(report.byKind))
        expect(bytes, kind).toBeGreaterThan(0);
      expect(after.domains, 'the domain was not started again').toEqual(before.domains);
      expect(memory.arrayBuffers).toBeLessThan(MESSAGES * MIB);
      expect(memory.heapUsed).toBeLessThan(HEAP * MIB);
      expect(highest).toBeLessThan(BOUND);
      expect(after.memory.heapUsed).toBeLessThan(before.memory.heapUsed + 16 * MIB);
      expect(after.memory.arrayBuffers).toBeLessThan(before.memory.arrayBuffers + 16 * MIB);
      expect(after.resident).toBeLessThan(before.resident + REST);
      clearInterval(sampler);
      good.session.close();
      broker.send('stop');
      await new Promise((resolve) => broker.once('exit', resolve));
    } finally {
      clearInterval(sampler);
      broker.kill('SIGKILL');
      flood.kill('SIGKILL');
    }
  }, 300_000);
});

/** Waits until the broker has no more than `connections` connections. */
async function goneTo(connections: number, collected: () => Promise<{ connections: number }>): Promise<void> {
  for (let tries = 0; (await collected()).connections > connections; tries++) {
    if (tries > 300) throw new Error('the hostile connections are still there');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
