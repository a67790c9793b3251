import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type DrivenAttempt, escapeClass } from '../harness/escape-class.js';
import { family, proc, withHost } from '../harness/inherited.js';

/** Whether a flag that this process was started with, as far as Node can tell, is one of its host's. */
function flag(name: string): DrivenAttempt {
  return {
    async behind({ tier }) {
      process.execArgv.push(name);
      try {
        return await withHost(tier, async (pid) =>
          family(pid).some((each) => proc(each, 'cmdline').includes(name)),
        );
      } finally {
        process.execArgv.splice(process.execArgv.lastIndexOf(name), 1);
      }
    },
    async without() {
      process.execArgv.push(name);
      try {
        const child = fork('-e', [], { execArgv: [...process.execArgv], stdio: 'ignore' });
        await once(child, 'spawn');
        const found = child.spawnargs.includes(name);
        child.kill('SIGKILL');
        return found;
      } finally {
        process.execArgv.splice(process.execArgv.lastIndexOf(name), 1);
      }
    },
  };
}

export default escapeClass({
  name: 'inherited execArgv',
  from: 'Node: a child process is started with the flags of its parent',
  rules: ['R8'],
  out: 'the host process has the flag',
  attempts: {
    'that opens the inspector': flag('--inspect-publish-uid=http'),
    'that shows the collector': flag('--expose-gc'),
    'that loads before all': flag('--trace-uncaught'),
  },
});
