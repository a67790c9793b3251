/** A broker with the ledger in a process of its own, for tests that measure it: tells its parent where it is, and ends with it. */
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LEDGER_DOMAIN, Running, sturdy } from '../broker/running.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

// What was compiled: this runs without a compiler.
const module = LEDGER_DOMAIN!.module.replace(/\.ts$/, '.js');
// Room for what a hundred clients with a reference to the whole ledger have it begin: the broker is what is measured here.
const limits = { heapMiB: 512 };
const running = await Running.start({ ledger: { ...LEDGER_DOMAIN!, module, limits } });
const operator = await running.operator();
/** A reference to the whole ledger for each of those who will ask. */
const mint = async (label: string) => {
  const { ref } = await operator['mint']!({
    domain: 'ledger',
    object: '',
    policy: { methods: { all: null } },
    label,
  });
  return Buffer.from(ref.secret).toString('hex');
};

process.send!({
  socket: join(running.folder, 'broker.sock'),
  pid: process.pid,
  good: await mint('the good client'),
  hostile: await mint('the hostile ones'),
  gate: sturdy.interface('Gate').id.toString(),
});

process.on('message', async (order) => {
  if (order === 'collect') {
    collect();
    const memory = process.memoryUsage();
    const health = await operator['health']!({});
    const { domains } = await operator['domains']!({});
    process.send!({
      memory,
      connections: health.connections,
      domains: domains.map(({ starts, detail }: Record<string, unknown>) => ({ starts, detail })),
    });
  }
  if (order === 'stop') {
    await running.stop();
    process.exit(0);
  }
});
process.on('disconnect', () => process.exit(1));
