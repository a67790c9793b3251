/**
 * `console`, for a program that was granted `log`: text goes to that power and nowhere else. The text is made of the
 * program's values while the program waits for it, so that what a getter or a `toJSON` does or throws is the program's own
 * affair; what leaves here is a bounded string.
 */

import { endowed } from './endowed.js';

/** The power as it is called here. What it answers is for the writer to look at. */
export type WriteLog = (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;

/** Log.write cuts there anyway. */
const MAX_MESSAGE = 8192;

/** A frozen console with the five methods that programs use. */
export function makeConsole(write: WriteLog): object {
  const method = (level: Parameters<WriteLog>[0]) =>
    endowed((...values: unknown[]) => write(level, lineOf(values)));
  return Object.freeze({
    __proto__: null,
    debug: method('debug'),
    log: method('info'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
  });
}

function lineOf(values: unknown[]): string {
  let line = '';
  for (const value of values) {
    line += (line === '' ? '' : ' ') + textOf(value);
    if (line.length > MAX_MESSAGE) return line.slice(0, MAX_MESSAGE);
  }
  return line;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null)
    return typeof value === 'function' ? '[function]' : String(value);
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  const text: unknown = JSON.stringify(value, (_key, held: unknown) =>
    typeof held === 'bigint' ? `${held}n` : held,
  );
  return typeof text === 'string' ? text : '[object]';
}
