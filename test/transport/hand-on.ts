/** A process that was given two descriptors, and hands on what comes by one to the other. */
import { Socket } from 'node:net';

const [one, other] = [3, 4].map((fd) => new Socket({ fd, readable: true, writable: true })) as [
  Socket,
  Socket,
];
for (const [from, to] of [
  [one, other],
  [other, one],
] as const) {
  from.pipe(to);
  // Who is gone at one end is gone for the other.
  from.on('error', () => to.destroy()).on('close', () => to.end());
}
