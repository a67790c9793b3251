/** Whether anybody listens on a unix socket: the kernel's answer, which is right even of a process that is stopped or busy. */
import { connect } from 'node:net';

/** Only a refusal, or no such name, means that nobody is there. Anything else (a full queue, no permission) may be. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
