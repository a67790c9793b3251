/**
 * The process of a client: `node client.js SUBJECT ADDRESS`. It connects, says `ready`, and then carries out each order
 * that it reads from its standard input, one at a time, and says what came of it in a line of JSON.
 */

import { createInterface } from 'node:readline';
import { load } from './load.js';
import { subjectNamed } from './subjects/named.js';
import { parseOrder } from './workload.js';

const [name, address] = process.argv.slice(2) as [string, string];
const subject = await subjectNamed(name);
if (subject.connect === undefined) throw new Error(`${name} has no client in Node`);
const caller = await subject.connect(address);
// Not by the signal itself: profilers write what they have when a process exits.
process.once('SIGTERM', () => process.exit(0));
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await load(caller, parseOrder(line))));
  } catch (error) {
    console.error(`${line}: ${(error as Error).message}`);
    process.exit(1);
  }
}
await caller.close();
