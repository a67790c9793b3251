/** Loaded into a process that a test started, by NODE_OPTIONS: notes what is minted and printed in it, where its environment says. */

import process from 'node:process';
import { isMainThread } from 'node:worker_threads';
import { NOTES_VARIABLE, record } from './recorder.js';

const folder = process.env[NOTES_VARIABLE];
if (folder !== undefined && isMainThread) record(folder);
