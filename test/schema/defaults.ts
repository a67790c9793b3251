/** What everything.capnp says of its defaults and constants, written by hand from its text. */
import type { StructValue } from './random-values.js';

/** Structs when they are empty. */
export const DEFAULTS: Readonly<Record<string, StructValue>> = {
  Defaults: {
    flag: true,
    off: false,
    tiny: -128,
    short: -32768,
    normal: -2147483648,
    wide: -9223372036854775808n,
    byte: 255,
    ushort: 65535,
    unormal: 4294967295,
    uwide: 18446744073709551615n,
    single: 1.5,
    double: -1e300,
    infinite: Infinity,
    lowest: -Infinity,
    unreal: NaN,
    unrealSingle: NaN,
    minusZero: -0,
    color: 'blue',
    text: 'Grüße, "Welt"',
    emptyText: '',
    data: Uint8Array.of(0x00, 0xff, 0x80),
    point: { x: 7, y: -7 },
    numbers: [1, -2, 3],
    flags: [true, false, true],
    nothings: [null, null],
    texts: ['a', '', 'c'],
    points: [
      { x: 1, y: 0 },
      { x: 0, y: 2 },
    ],
    lists: [[], [1], [2, 3]],
    colors: ['blue', 'red'],
    boxed: { value: 'in the box', label: 'box' },
    chain: { value: 1, next: { value: 2 } },
    first: 1000,
  },
  /** Of the group, which is active where `a` or `b` is given. */
  'Defaults.fourth': { a: 4n, b: true },
  Numbers: {
    tiny: 5,
    short: -2,
    normal: -1,
    wide: -1n,
    byte: 128,
    ushort: 32768,
    unormal: 2147483648,
    uwide: 9223372036854775808n,
    single: -2.5,
    double: 0.1,
    unreal: NaN,
    unrealSingle: NaN,
    infinite: Infinity,
    flag: true,
    color: 'constructor',
    minusZero: -0,
  },
};

export const CONSTANTS: StructValue = {
  nothing: null,
  flag: true,
  tiny: -128,
  short: -32768,
  normal: -2147483648,
  wide: -9223372036854775808n,
  byte: 255,
  ushort: 65535,
  unormal: 4294967295,
  uwide: 18446744073709551615n,
  single: Math.fround(0.1),
  double: 0.1,
  infinite: -Infinity,
  unreal: NaN,
  color: 'deepGreen',
  text: 'Straße\n',
  emptyText: '',
  data: Uint8Array.of(0xc0, 0xff, 0xee),
  emptyData: new Uint8Array(0),
  point: { x: 1, y: 2 },
  empty: {},
  numbers: [1n, 18446744073709551615n],
  noNumbers: [],
  grid: [['a'], [], ['b', 'c']],
  defaults: defaultsBut({ third: { x: 4, y: 0 }, flag: false }),
  boxed: {
    value: [
      { x: 1, y: 2 },
      { x: 9, y: 0 },
    ],
    label: 'Straße\n',
  },
};

/** `first` is another member of the union. */
function defaultsBut(value: StructValue): StructValue {
  const { first: _, ...others } = DEFAULTS['Defaults']!;
  return { ...others, ...value };
}
