import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { SecretScan } from './secret-scan.js';

const secrets = Array.from({ length: 20 }, () => {
  const secret = new Uint8Array(randomBytes(33));
  secret[0] = 1;
  return secret;
});
const scan = new SecretScan(secrets);
const planted = secrets[7]!;
const bytes = Buffer.from(planted);
const noise = Buffer.concat([randomBytes(5000), Buffer.from('{"level":"info","msg":"a domain ended"}\n')]);

it.each<[string, string | Buffer]>([
  ['as it is printed', `sturdy://127.0.0.1:7447/#${bytes.toString('base64url')}`],
  ['in base64', bytes.toString('base64')],
  ['in base64 behind one byte', Buffer.concat([Buffer.from('a'), bytes]).toString('base64')],
  ['in base64url behind two bytes', Buffer.concat([Buffer.from('ab'), bytes]).toString('base64url')],
  ['in hex', bytes.toString('hex')],
  ['in capital hex', `x${bytes.toString('hex').toUpperCase()}`],
  ['as raw bytes', bytes],
  ['as util.inspect prints a Buffer', inspect({ secret: bytes })],
  ['as util.inspect prints a Uint8Array', inspect({ secret: planted })],
  ['as JSON prints a Buffer', JSON.stringify({ secret: bytes })],
  ['as JSON prints a Uint8Array', JSON.stringify({ secret: planted })],
  ['as JSON prints an array', JSON.stringify([...planted], null, 2)],
  ['as a JSON text of its bytes', JSON.stringify(bytes.toString('latin1'))],
  ['as escapes', [...planted].map((byte) => `\\u00${byte.toString(16).padStart(2, '0')}`).join('')],
  ['as a JSON text within another', JSON.stringify(JSON.stringify(bytes.toString('latin1')))],
  ['as JSON prints a Uint8Array, within another', JSON.stringify(JSON.stringify(planted, null, 2))],
  ['as util.inspect prints a text of its bytes', inspect(bytes.toString('latin1'))],
  ['as characters in UTF-8', bytes.toString('latin1')],
  ['as numbers in hex', [...planted].map((byte) => `0x${byte.toString(16)}`).join(', ')],
  ['as util.inspect prints an object of its bytes', inspect({ ...planted }, { depth: 1 })],
  ['in lines of base64', bytes.toString('base64').replace(/.{11}/g, '$&\r\n    ')],
  ['in lines of base64 in JSON', JSON.stringify(bytes.toString('base64').replace(/.{11}/g, '$&\n'))],
  ['in base64 whose slashes are escaped', bytes.toString('base64').replaceAll('/', '\\/')],
  ['in base64 in a URL', encodeURIComponent(bytes.toString('base64'))],
  [
    'in a URL that escapes every byte',
    [...planted].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  ],
  ['in a URL', encodeURIComponent(bytes.toString('latin1'))],
  ['cut at its end', bytes.toString('base64url').slice(0, 24)],
  ['cut at its beginning', bytes.toString('hex').slice(-30)],
])('a secret is found %s', (_how, text) => {
  const found = scan.find(Buffer.concat([noise, Buffer.from(text), noise]));
  expect(found.length).toBeGreaterThan(0);
  expect(new Set(found.map(({ secret }) => secret))).toEqual(new Set([7]));
});

/** Where a text may be cut so that so much of it is left: at every place. */
const cuts = (text: string | Buffer, left: number): (string | Buffer)[] =>
  Array.from({ length: text.length - left + 1 }, (_, from) => text.slice(from, from + left));

// A piece is 12 bytes, and begins with every second one: of 13 bytes at least one is whole. Of bits, some are lost at the cuts.
it.each<[string, string | Buffer, number]>([
  ['bytes', bytes.subarray(1), 13],
  ['base64', bytes.subarray(1).toString('base64'), 19],
  [
    'base64url behind one byte',
    Buffer.concat([Buffer.from('a'), bytes.subarray(1)])
      .toString('base64url')
      .slice(2),
    19,
  ],
  [
    'base64url behind two bytes',
    Buffer.concat([Buffer.from('ab'), bytes.subarray(1)])
      .toString('base64url')
      .slice(3),
    19,
  ],
  ['hex', bytes.subarray(1).toString('hex'), 27],
  ['bytes in hex', inspect(bytes.subarray(1)).slice('<Buffer '.length, -1), 40],
])('one that is cut anywhere is found in %s', (_how, text, left) => {
  const missed = cuts(text, left).filter((cut) => {
    // Between what is in none of the alphabets, and what is in all of them.
    const around = [Buffer.from('#'), Buffer.from('a'), Buffer.from('ab0')];
    return !around.every((each) =>
      scan
        .find(Buffer.concat([noise, each, Buffer.from(cut as string), each, noise]))
        .some(({ secret }) => secret === 7),
    );
  });
  expect(missed).toEqual([]);
});

it('of numbers, any 15 in a row are enough, however they are written', () => {
  const lists = [
    JSON.stringify([...planted])
      .slice(1, -1)
      .split(','),
    JSON.stringify(planted).slice(1, -1).split(','),
    JSON.stringify([...planted], null, 4)
      .slice(2, -2)
      .split(','),
  ];
  for (const numbers of lists) {
    for (let from = 1; from + 15 <= numbers.length; from++) {
      // The first and the last of them are cut as well.
      const cut = numbers
        .slice(from, from + 15)
        .join(',')
        .slice(1, -1);
      expect(scan.find(Buffer.from(cut)).map(({ secret }) => secret)).toEqual([7]);
    }
  }
});

it('one whose last part comes with the next part of a text is found where they overlap', () => {
  const text = Buffer.from(`${' '.repeat(9000)}${JSON.stringify([...planted], null, 16)}`);
  const half = text.length - 300;
  const parts = [text.subarray(0, half), text.subarray(half - scan.longest)];
  expect(parts.flatMap((part) => scan.find(part))).not.toEqual([]);
});

it('says of which spelling it is, and where that begins', () => {
  expect(scan.find(Buffer.from(`{"#":"${bytes.toString('base64url')}"}`))).toEqual([
    { secret: 7, spelling: 'base64 or base64url', at: 6 },
  ]);
});

it('tells apart 20000 secrets', () => {
  const many = Array.from({ length: 20_000 }, () => new Uint8Array(randomBytes(33)));
  const text = Buffer.from([3, 19_999].map((each) => Buffer.from(many[each]!).toString('hex')).join(' '));
  const found = new SecretScan(many).find(text).map(({ secret }) => secret);
  expect(new Set(found)).toEqual(new Set([3, 19_999]));
});

it('nothing is found where there is none', () => {
  expect(scan.find(noise)).toEqual([]);
  // Another secret, as all of them begin.
  const other = Buffer.from([1, ...randomBytes(32)]);
  expect(scan.find(Buffer.from(`${other.toString('base64url')} ${inspect(other)}`))).toEqual([]);
});
