import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { nodeClient } from '../node-processes.js';
import { fourAfterEachOther } from './grpc.js';
import type { Caller, Subject } from './subject.js';

export const subject: Subject = {
  name: 'piscina',
  title: 'a piscina task',
  what: 'A task for one worker thread in the same process: what is given up for it is the process boundary. It has no objects: its chain is four tasks, one after the other.',
  side: 'peer',
  chain: 'sequential',
  needs: 'nothing',

  // Its thread is in the client's process.
  arrange: async () => ({ client: nodeClient('piscina', ''), pids: {} }),

  async connect() {
    const pool = new Piscina({
      filename: fileURLToPath(new URL('./piscina-task.js', import.meta.url)),
      minThreads: 1,
      maxThreads: 1,
      // As many tasks at the thread as are under way.
      concurrentTasksPerWorker: 256,
    });
    const echo: Caller['echo'] = (payload, done) => {
      pool.run(payload).then((returned: Uint8Array) => done(null, returned), done as never);
    };
    return { echo, chain: fourAfterEachOther(echo), close: () => pool.destroy() };
  },
};
