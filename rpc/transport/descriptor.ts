/**
 * Streams that a process was given when it was started: an inherited descriptor, which is a socket, or its standard input
 * and output. Who started the process is the peer.
 */
import { Socket } from 'node:net';
import process from 'node:process';
import { Duplex, type Readable, type Writable } from 'node:stream';
import type { ConnectionLimits } from '../limits.js';
import { StreamTransport } from './stream.js';

/** On the socket that `fd` is: one end of a socketpair, or a connection that somebody else has made or accepted. */
export function descriptorTransport(fd: number, limits: Partial<ConnectionLimits> = {}): StreamTransport {
  return new StreamTransport(new Socket({ fd, readable: true, writable: true }), limits);
}

/**
 * On what comes in by `input` and goes out by `output`: those of this process, so that nothing else may write to its
 * standard output (`console.log` does), or those of a child.
 */
export function standardTransport(
  limits: Partial<ConnectionLimits> = {},
  input: Readable = process.stdin,
  output: Writable = process.stdout,
): StreamTransport {
  return new StreamTransport(Duplex.from({ readable: input, writable: output }), limits);
}
