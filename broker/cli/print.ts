/** What the commands print. Texts of others (labels, messages) are printed so that they cannot command a terminal. */
import { RpcError } from '../../client/index.js';
import { escapeControls, redact } from '../redaction.js';

/** The command line, or what it names, is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'ERR_USAGE';
}

/** The answer: as JSON, or as `text` for a person. */
export function printAnswer(json: boolean, answer: unknown, text: () => string): void {
  process.stdout.write(`${json ? jsonText(answer) : text()}\n`);
}

/** JSON in which nothing stands that a terminal obeys. 64-bit integers are strings, as no number of JSON holds them. */
export function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(
    value,
    (_key, part) => (typeof part === 'bigint' ? part.toString() : part),
    indent,
  );
  // Within a string every other character of this kind is escaped already; between them there is none.
  return text.replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Rows under their headings, in columns. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = [headings, ...rows.map((row) => row.map(escapeControls))];
  const widths = headings.map((_, column) => Math.max(...shown.map((row) => row[column]!.length)));
  return shown
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function printError(error: unknown, json: boolean): void {
  const { message, code } = error as { message?: unknown; code?: unknown };
  const text = redact(typeof message === 'string' ? message : String(error));
  if (json) {
    const type = error instanceof RpcError ? error.type : 'failed';
    process.stderr.write(`${jsonText({ error: { type, code: code ?? 'ERR_INTERNAL', message: text } })}\n`);
  } else {
    // Only what is wrong with a configuration is told in lines of its own. What came from elsewhere makes no line.
    const lines = code === 'ERR_CONFIG' && !(error instanceof RpcError) ? text.split('\n') : [text];
    process.stderr.write(`sturdy: ${lines.map(escapeControls).join('\n')}\n`);
  }
}

export function exitCode(error: unknown): number {
  if (error instanceof UsageError) return 2;
  return error instanceof RpcError && error.type === 'disconnected' ? 3 : 1;
}
