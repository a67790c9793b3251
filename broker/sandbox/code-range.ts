/**
 * What V8 reserves for compiled code, in each heap: from version 13 on (Node 24) some 512 MiB that may be written, which
 * RLIMIT_DATA counts from the first moment, whether or not anything was ever compiled there.
 */
import { readFileSync } from 'node:fs';

const MEBIBYTE = 1024 * 1024;

let known: number | null = null;

/** In MiB, as this process has it, which runs the same Node as its hosts do; 0 where nothing of the kind is counted. */
export function codeRangeMebibytes(): number {
  known ??= measured();
  return known;
}

function measured(): number {
  let largest = 0;
  for (const line of maps().split('\n')) {
    const found = /^([0-9a-f]+)-([0-9a-f]+) rwxp /.exec(line);
    if (found === null) continue;
    largest = Math.max(largest, Number.parseInt(found[2]!, 16) - Number.parseInt(found[1]!, 16));
  }
  return Math.ceil(largest / MEBIBYTE);
}

function maps(): string {
  try {
    return readFileSync('/proc/self/maps', 'latin1');
  } catch {
    return '';
  }
}
