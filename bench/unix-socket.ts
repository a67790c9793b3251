/** Unix sockets for the subjects that bring none of their own. */

import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

export async function listen(path: string, accept: (socket: Socket) => void): Promise<void> {
  const server = createServer(accept).listen(path);
  await once(server, 'listening');
}

export async function dial(path: string): Promise<Socket> {
  const socket = createConnection({ path });
  await once(socket, 'connect');
  return socket;
}
