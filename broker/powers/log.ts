/**
 * The broker's log, as a capability: Log of schema/sturdy.capnp. Nothing that a guest sends reaches the log unescaped, unbounded
 * or with a secret in it.
 */
import type { Logger } from 'pino';
import { RpcError } from '../../rpc/index.js';
import type { LineRate } from '../line-rate.js';
import { escapeControls, redact } from '../redaction.js';

/** Lines a second that a domain may write, where nothing else is set. */
export const LOG_RATE = 100;
/** In UTF-16 units. */
export const MAX_LOG_MESSAGE = 8192;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

export class LogPower {
  constructor(
    private readonly log: Logger,
    private readonly lines: LineRate,
  ) {}

  /** @param level a number where the caller's schema is newer than ours */
  write({ level, message }: { level: Level | number; message: string }): Record<string, never> {
    this.#charge();
    const known = LEVELS.find((name) => name === level);
    if (known === undefined) {
      throw new RpcError('failed', `level: expected ${LEVELS.join(', ')}, got ${level}`, {
        code: 'ERR_LOG_LEVEL',
      });
    }
    this.log[known]({ guest: true }, printable(message));
    return {};
  }

  #charge(): void {
    if (this.lines.take()) return;
    const { perSecond, burst } = this.lines;
    throw new RpcError(
      'overloaded',
      `more than ${perSecond} lines a second (${burst} at once) were logged (limits.logLinesPerSecond)`,
      { code: 'ERR_LOG_RATE' },
    );
  }
}

/** Redacted before it is cut, or the first half of a secret would be left; and only so much of it is looked at. */
function printable(message: string): string {
  const looked = message.slice(0, 2 * MAX_LOG_MESSAGE);
  let text = redact(looked);
  // The end of what was looked at may be a part of a secret: longer than any spelling of one is dropped.
  if (looked.length < message.length) text = text.slice(0, -256);
  const cut = text.length > MAX_LOG_MESSAGE || looked.length < message.length;
  return escapeControls(cut ? `${text.slice(0, MAX_LOG_MESSAGE).toWellFormed()}…` : text);
}
