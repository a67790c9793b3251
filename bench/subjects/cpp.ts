import { join } from 'node:path';
import { echoProgram } from '../echo/build.js';
import type { Subject } from './subject.js';

export const subject: Subject = {
  name: 'cpp',
  title: "Cap'n Proto C++, direct",
  what: "The reference implementation on both sides, as this machine's libcapnp has it, compiled with `-O2`: no broker, no sandbox. Its load is a copy of ours in C++.",
  side: 'peer',
  chain: 'pipelined',
  needs: 'c++',

  async arrange(stage) {
    const program = await echoProgram();
    const path = join(stage.folder, 'cpp.sock');
    const server = stage.start([program, 'server', path]);
    await server.ready();
    return { client: [program, 'client', path], pids: { server: server.pid } };
  },
};
