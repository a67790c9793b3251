/**
 * The wall in front of the log: takes out of any text whatever looks like the secret of a sturdyref, in every spelling in
 * which one could get there by accident. It is the second wall; the first is that nobody logs a secret.
 *
 * It would rather take out too much: a run of letters that happens to look like a secret is lost, too.
 */

const SECRET = '[secret]';

/** A secret begins with the byte 1, so with A and then Q to f in base64. Boundaries are not asked for. */
const BASE64URL = /A[Q-Za-f][A-Za-z0-9_-]{42}/g;
/** Plain base64 shares its alphabet with paths; so here it must stand by itself. */
const BASE64 = /(?<![A-Za-z0-9+/])A[Q-Za-f][A-Za-z0-9+/]{42}(?![A-Za-z0-9+/])/g;
/** Whatever its version: what stands behind the # of a sturdyref. */
const FRAGMENT = /#[A-Za-z0-9_-]{44,}/g;
const HEX = /(?<![0-9A-Fa-f])01[0-9A-Fa-f]{64}(?![0-9A-Fa-f])/g;
/** As util.inspect prints bytes. */
const SPACED_HEX = /\b01(?: [0-9a-f]{2}){32}\b/g;
/** As JSON prints a Buffer, and as it prints a Uint8Array. */
const NUMBERS = /\[\s*1(?:,\s*\d{1,3}){32}\s*\]/g;
const NUMBERED = /"0":\s*1(?:,\s*"\d{1,2}":\s*\d{1,3}){32}/g;

/** The text without its secrets. What was JSON remains JSON. */
export function redact(text: string): string {
  return text
    .replace(FRAGMENT, `#${SECRET}`)
    .replace(BASE64URL, SECRET)
    .replace(BASE64, SECRET)
    .replace(HEX, SECRET)
    .replace(SPACED_HEX, SECRET)
    .replace(NUMBERS, `["${SECRET}"]`)
    .replace(NUMBERED, `"0":"${SECRET}"`);
}

/**
 * Control characters, the invisible ones that turn text around, and lone surrogates, printed as escapes: so that a text cannot
 * move the cursor, colour the terminal or pass for a line of its own.
 */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
    (character) => ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const ESCAPES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
