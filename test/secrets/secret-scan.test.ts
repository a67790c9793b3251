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
  ['in a URL', encodeURIComponent(bytes.toString('latin1'))],
  ['cut at its end', bytes.toString('base64url').slice(0, 24)],
  ['cut at its beginning', bytes.toString('hex').slice(-30)],
])('a secret is found %s', (_how, text) => {
  const found = scan.find(Buffer.concat([noise, Buffer.from(text), noise]));
  expect(found.length).toBeGreaterThan(0);
  expect(new Set(found.map(({ secret }) => secret))).toEqual(new Set([7]));
});

it('nothing is found where there is none', () => {
  expect(scan.find(noise)).toEqual([]);
  // Another secret, as all of them begin.
  const other = Buffer.from([1, ...randomBytes(32)]);
  expect(scan.find(Buffer.from(`${other.toString('base64url')} ${inspect(other)}`))).toEqual([]);
});
