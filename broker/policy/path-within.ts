/**
 * Whether a path lies within another, by their segments and without asking any file system.
 *
 * Nothing is put in order here: whoever reads the path later may do that otherwise than we would. So a path that is not in
 * its plain form already is within nothing. Refused are empty segments (`//`, a slash at the end), segments of nothing but
 * dots and blanks (`.`, `..`, and `...` or `. `, which some systems take for them), backslashes, percent signs (`%2e`),
 * control and invisible characters, and whatever becomes one of these by compatibility normalisation (`．．`, `‥`).
 */

/** `..`, an empty segment, and what some system takes for one of them. */
const ODD_SEGMENT = /(?:^|\/)[. ]*(?:\/|$)/;
const ODD_CHARACTER = /[\\%\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
const ASCII = /^[\x00-\x7f]*$/;

/** A test for being `base`, or below it. `base` is plain: `isPlainPath`. */
export function pathWithin(base: string): (path: string) => boolean {
  const below = base === '/' ? '/' : `${base}/`;
  return (path) => (path === base || path.startsWith(below)) && isPlainPath(path);
}

/** Whether it is in its plain form: `/a/b`, `a/b`, or `/` alone. */
export function isPlainPath(path: string): boolean {
  if (path === '/') return true;
  return isPlain(path) && (ASCII.test(path) || isPlain(path.normalize('NFKC')));
}

function isPlain(path: string): boolean {
  return !ODD_CHARACTER.test(path) && !ODD_SEGMENT.test(path.startsWith('/') ? path.slice(1) : path);
}
