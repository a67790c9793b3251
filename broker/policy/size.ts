/** Numbers of bytes as people write them. */

const UNITS = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

export const BYTES_EXPECTED = 'expected a number of bytes, 1 or more, such as 4096, 64KiB or 10MiB';

/** `4096`, `64KiB`, `10MiB`; null where it is none, or less than 1. */
export function parseBytes(text: string): number | null {
  const found = /^([1-9][0-9]{0,15})(|KiB|MiB|GiB|TiB)$/.exec(text);
  if (found === null) return null;
  const bytes = Number(found[1]) * UNITS[found[2] as keyof typeof UNITS];
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** `10MiB`, where it comes out even; else as a number. */
export function bytesText(bytes: number): string {
  const unit = Object.entries(UNITS)
    .reverse()
    .find(([, size]) => bytes % size === 0)!;
  return `${bytes / unit[1]}${unit[0]}`;
}
