/** The process of a server: `node server.js SUBJECT PATH`. It says `ready` when it listens, and ends by SIGTERM. */

import { subjectNamed } from './subjects/named.js';

const [name, path] = process.argv.slice(2) as [string, string];
const subject = await subjectNamed(name);
if (subject.serve === undefined) throw new Error(`${name} has no server in Node`);
await subject.serve(path);
// Not by the signal itself: profilers write what they have when a process exits.
process.once('SIGTERM', () => process.exit(0));
console.log('ready');
