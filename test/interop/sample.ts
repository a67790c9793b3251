/**
 * Something of every type of peer.capnp: the sample that a client sends, every server compares and makes itself, and the
 * client compares again. Written by hand once more in each language, so that nothing is only passed on unread.
 */

const bytes = (...values: number[]) => Uint8Array.from(values);

/** `Every` without its capabilities and its AnyPointer. */
export const sample = () => ({
  nothing: null,
  yes: true,
  i8: -128,
  i16: -32_768,
  i32: -2_147_483_648,
  i64: -(2n ** 63n),
  u8: 255,
  u16: 65_535,
  u32: 4_294_967_295,
  u64: 2n ** 64n - 1n,
  f32: 1.5,
  f64: -0.1,
  text: 'Grüße, 世界 😀',
  data: Uint8Array.from({ length: 256 }, (_, i) => i),
  colour: 'blue',
  inner: { name: 'outer', inner: { name: 'inner' } },
  nothings: [null, null, null],
  bools: [true, false, true, true, false, false, false, true, true],
  i8s: [-128, -1, 0, 127],
  i16s: [-32_768, -1, 0, 32_767],
  i32s: [-2_147_483_648, -1, 0, 2_147_483_647],
  i64s: [-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n],
  u8s: [0, 1, 255],
  u16s: [0, 1, 65_535],
  u32s: [0, 1, 4_294_967_295],
  u64s: [0n, 1n, 2n ** 64n - 1n],
  f32s: [-Infinity, -0, 2 ** -149, (2 - 2 ** -23) * 2 ** 127, NaN],
  f64s: [-Infinity, -0, 5e-324, 1.7976931348623157e308, NaN],
  texts: ['', 'a', 'Ω'],
  datas: [bytes(), bytes(0), bytes(255, 0, 1)],
  colours: ['red', 'blue', 'green'],
  inners: [{ name: 'first' }, { name: 'second' }],
  lists: [[], [1], [2, 65_535]],
  group: { left: 7, right: 'right' },
  word: 'the active one',
  preset: 42,
  presetText: 'preset',
});

/** What `Every.anything` holds: an `Inner`. */
export const ANYTHING = { name: 'anything' };

/** Where `found` has another value than `wanted`, in which nothing is left out that matters; null where nowhere. */
export function difference(found: unknown, wanted: unknown, at = 'value'): string | null {
  if (typeof wanted !== 'object' || wanted === null) {
    return Object.is(found, wanted) ? null : `${at} is ${String(found)}; must be ${String(wanted)}`;
  }
  if (typeof found !== 'object' || found === null) return `${at} is ${String(found)}; must be an object`;
  if (Array.isArray(wanted) || wanted instanceof Uint8Array) {
    const { length } = found as { length?: unknown };
    if (length !== wanted.length) return `${at} has ${String(length)} elements; must have ${wanted.length}`;
  }
  for (const [name, value] of Object.entries(wanted)) {
    const differs = difference((found as Record<string, unknown>)[name], value, `${at}.${name}`);
    if (differs !== null) return differs;
  }
  return null;
}

/** The bytes 0 to 250, over and over. */
export function pattern(size: number): Uint8Array {
  const made = new Uint8Array(size);
  for (let i = 0; i < Math.min(size, 251); i++) made[i] = i;
  for (let filled = 251; filled < size; filled *= 2) made.copyWithin(filled, 0, filled);
  return made;
}

/** Whether `data` is `pattern(data.length)`. */
export function isPattern(data: Uint8Array): boolean {
  for (let i = 0, wanted = 0; i < data.length; i++, wanted = wanted === 250 ? 0 : wanted + 1) {
    if (data[i] !== wanted) return false;
  }
  return true;
}
