/**
 * The broker's log: lines of JSON on standard error, or lines for a person where the CLI asks for them (standard output
 * belongs to what a command answers).
 *
 * Every line passes the redaction wall after it was put together, so that nothing goes around it: not a field, not a
 * binding of a child logger, not the message of an error's cause. Lines are written synchronously: what was logged
 * is out when the process ends, however it ends.
 */

import { type Logger, pino } from 'pino';
import type { Config } from './config.js';
import { escapeControls, redact } from './redaction.js';

export interface LogOptions {
  /** Lines for a person and not for a program. */
  readonly pretty?: boolean;
  /** Where the lines go, each with its newline; standard error by default. */
  readonly write?: (line: string) => void;
}

export function createLogger(config: Config['log'] = { level: 'info' }, options: LogOptions = {}): Logger {
  const write = options.write ?? toStandardError();
  return pino(
    {
      level: config.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: redact },
    },
    { write: options.pretty === true ? (line: string) => write(forPerson(line)) : write },
  );
}

function toStandardError(): (line: string) => void {
  const destination = pino.destination({ dest: 2, sync: true });
  // Nobody reads the log any more: no reason to stop serving.
  destination.on('error', () => {});
  return (line) => {
    destination.write(line);
  };
}

/** `12:00:00.123 warn  a domain ended  domain=ledger reason="out of memory"` */
function forPerson(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const parts = [String(time).slice(11, 23), String(level).padEnd(5), escapeControls(String(msg ?? ''))];
  for (const [name, value] of Object.entries(fields)) parts.push(`${escapeControls(name)}=${show(value)}`);
  // Of an error a person gets the message; the stack is in the JSON.
  const message = (err as { message?: unknown } | undefined)?.message ?? err;
  if (message !== undefined && message !== msg) parts.push(`err=${show(message)}`);
  return `${parts.join(' ')}\n`;
}

function show(value: unknown): string {
  const text = typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return escapeControls(text ?? 'undefined');
}
