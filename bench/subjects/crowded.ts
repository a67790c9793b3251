import { fileURLToPath } from 'node:url';
import { nodeProgram } from '../node-processes.js';
import { SMALL } from '../workload.js';
import { arrangeBroker, subject as brokered } from './brokered.js';
import type { Arranged, Subject } from './subject.js';

export const subject: Subject = {
  ...brokered,
  name: 'crowded',
  title: 'Sturdy, brokered, beside a flood',
  what: 'The same as brokered, while another client of the same domain keeps 100,000 calls in flight. Most of those are refused as overloaded, and made again.',
  only: [{ kind: 'echo', bytes: SMALL, depth: 1 }],
  async arrange(stage) {
    const arranged = await arrangeBroker(stage, {});
    return { ...arranged, crowd: floodOf(arranged) };
  },
};

/** The program that floods what a client was arranged for. */
export function floodOf({ client }: Arranged): readonly string[] {
  // The client's last argument is where its reference is.
  return nodeProgram(fileURLToPath(new URL('../flood.js', import.meta.url)), client.at(-1)!);
}
