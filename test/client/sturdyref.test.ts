import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import { isLoopback, SturdyRefError } from '../../client/address.js';
import { SturdyRef } from '../../client/sturdyref.js';

const secret = mintSecret();
const text = Buffer.from(secret).toString('base64url');
const key = Buffer.alloc(32, 7).toString('base64url');

describe('a sturdyref', () => {
  it.each([
    `sturdy+unix:///run/sturdy.sock#${text}`,
    `sturdy+unix:///home/a%20b/%C3%BC%23%25.sock#${text}`,
    `sturdy://127.0.0.1:7447/#${text}`,
    `sturdy://127.9.8.7:1/#${text}`,
    `sturdy://[::1]:65535/#${text}`,
    `sturdy://sha-256:${key}@broker.example.com:7447/#${text}`,
    `sturdy://sha-256:${key}@localhost:7447/#${text}`,
    `sturdy://sha-256:${key}@192.0.2.1:7447/#${text}`,
    `sturdy://sha-256:${key}@[2001:db8::1]:7447/#${text}`,
    `sturdy+ws://127.0.0.1:7448/#${text}`,
    `sturdy+ws://[::1]:7448/sturdy/v1#${text}`,
    `sturdy+wss://sha-256:${key}@broker.example.com:443/sturdy#${text}`,
  ])('is parsed and formatted without loss: %#', (printed) => {
    const ref = SturdyRef.parse(printed);
    expect(ref.format()).toBe(printed);
    expect(ref.secret()).toEqual(secret);
    expect(SturdyRef.of(secret, ref.address).format()).toBe(printed);
  });

  it('gives its address in parts', () => {
    expect(SturdyRef.parse(`sturdy+unix:///a%20b#${text}`).address).toEqual({
      transport: 'unix',
      path: '/a b',
    });
    expect(SturdyRef.parse(`sturdy://sha-256:${key}@[2001:db8::1]:7447/#${text}`).address).toEqual({
      transport: 'tcp',
      host: '2001:db8::1',
      port: 7447,
      key,
    });
    expect(SturdyRef.parse(`sturdy://127.0.0.1:7447/#${text}`).address).toMatchObject({ key: null });
  });

  it.each([
    ['', /no '#'/],
    [text, /no '#'/],
    [`#${text}`, /neither sturdy\+unix:\/\/ nor sturdy:\/\/, sturdy\+ws:\/\/ or sturdy\+wss:/],
    [`http://127.0.0.1:7447/#${text}`, /neither/],
    [` sturdy://127.0.0.1:7447/#${text}`, /neither/],
    [`STURDY://127.0.0.1:7447/#${text}`, /neither/],
    [`sturdy+unix://run/sturdy.sock#${text}`, /absolute/],
    [`sturdy+unix://#${text}`, /absolute/],
    [`sturdy+unix:///run/#${text}`, /names a socket/],
    [`sturdy+unix:///run/a b#${text}`, /percent-encoded/],
    [`sturdy+unix:///run/a%2#${text}`, /percent-encoded/],
    [`sturdy+unix:///run/a?b#${text}`, /percent-encoded/],
    [`sturdy+unix:///run/%FF#${text}`, /UTF-8/],
    [`sturdy+unix:///run/a%00b#${text}`, /NUL/],
    [`sturdy+ws://192.0.2.1:7448/#${text}`, /in the clear/],
    [`sturdy+ws://localhost:7448/#${text}`, /in the clear/],
    [`sturdy+ws://sha-256:${key}@127.0.0.1:7448/#${text}`, /one without has none/],
    [`sturdy+wss://broker.example.com/#${text}`, /port/],
    [`sturdy+wss://broker.example.com:443/#${text}`, /names the key/],
    [`sturdy+ws://127.0.0.1:7448#${text}`, /one '\/'/],
    [`sturdy+ws://127.0.0.1:7448/a?b#${text}`, /the path of a WebSocket/],
    [`sturdy+ws://127.0.0.1:7448/a%20b#${text}`, /the path of a WebSocket/],
    [`sturdy://127.0.0.1:7447#${text}`, /one '\/'/],
    [`sturdy://127.0.0.1:7447/x#${text}`, /one '\/'/],
    [`sturdy://127.0.0.1:7447/?x#${text}`, /one '\/'/],
    [`sturdy://127.0.0.1/#${text}`, /port/],
    [`sturdy://127.0.0.1:0/#${text}`, /port/],
    [`sturdy://127.0.0.1:65536/#${text}`, /port/],
    [`sturdy://127.0.0.1:07447/#${text}`, /port/],
    [`sturdy://127.0.0.1:+1/#${text}`, /port/],
    [`sturdy://:7447/#${text}`, /host/],
    [`sturdy://LOCALHOST:7447/#${text}`, /host/],
    [`sturdy://127.0.1:7447/#${text}`, /host/],
    [`sturdy://127.0.0.01:7447/#${text}`, /host/],
    [`sturdy://[127.0.0.1]:7447/#${text}`, /IPv6/],
    [`sturdy://[fe80::1%eth0]:7447/#${text}`, /IPv6/],
    [`sturdy://::1:7447/#${text}`, /one '\/'|port|host/],
    [`sturdy://localhost:7447/#${text}`, /localhost in the clear/],
    [`sturdy://broker.example.com:7447/#${text}`, /broker\.example\.com in the clear/],
    [`sturdy://192.0.2.1:7447/#${text}`, /in the clear/],
    [`sturdy://0.0.0.0:7447/#${text}`, /in the clear/],
    [`sturdy://[::ffff:127.0.0.1]:7447/#${text}`, /in the clear/],
    [`sturdy://${key}@127.0.0.1:7447/#${text}`, /sha-256:/],
    [`sturdy://md5:${key}@127.0.0.1:7447/#${text}`, /sha-256:/],
    [`sturdy://sha-256:@127.0.0.1:7447/#${text}`, /43 characters/],
    [`sturdy://sha-256:${key}=@127.0.0.1:7447/#${text}`, /43 characters/],
    [`sturdy://sha-256:${key.slice(0, 42)}d@127.0.0.1:7447/#${text}`, /43 characters/],
    [`sturdy://127.0.0.1:7447/#${text}=`, /44 characters/],
    [`sturdy://127.0.0.1:7447/#${text}\n`, /44 characters/],
    [`sturdy://127.0.0.1:7447/#${text.slice(1)}`, /44 characters/],
    [`sturdy://127.0.0.1:7447/#${text}#${text}`, /44 characters/],
    [`sturdy://127.0.0.1:7447/#${text.slice(0, 43)}+`, /44 characters/],
    [`sturdy://127.0.0.1:7447/#${'B'.repeat(44)}`, /version 1/],
  ])('that is malformed is refused with the reason, and without its secret: %#', (wrong, reason) => {
    let error: unknown;
    try {
      SturdyRef.parse(wrong);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(SturdyRefError);
    expect((error as Error).message).toMatch(reason);
    for (let at = 0; at + 8 <= text.length; at++) {
      expect(inspect(error)).not.toContain(text.slice(at, at + 8));
    }
  });

  it('never repeats a secret that stands in the wrong place', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MISPLACED),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (place, bytes) => {
          const misplaced = Buffer.from([1, ...bytes]).toString('base64url');
          try {
            SturdyRef.parse(place.replaceAll('SECRET', misplaced).replaceAll('GOOD', text));
          } catch (error) {
            expect(inspect(error)).not.toContain(misplaced);
            return;
          }
          // A path is not secret, and may well look like one.
          expect(place.startsWith('sturdy+unix:///')).toBe(true);
        },
      ),
    );
  });

  it('shows its secret in nothing but format()', () => {
    const ref = SturdyRef.parse(`sturdy://127.0.0.1:7447/#${text}`);
    const shown = [
      `${ref}`,
      String(ref),
      JSON.stringify({ ref }),
      inspect(ref),
      inspect({ deep: [ref] }, { showHidden: true, depth: 9, getters: true }),
      inspect(ref, { customInspect: false, showHidden: true }),
      inspect(structuredClone({ ...ref })),
      Object.getOwnPropertyNames(ref).join(),
    ].join('\n');
    expect(shown).not.toContain(text);
    expect(shown).not.toContain(Buffer.from(secret).toString('hex').slice(2, 20));
    expect(shown).toContain('sturdy://127.0.0.1:7447/#(secret)');
    expect(() => SturdyRef.parse(`${ref}`)).toThrow(SturdyRefError);
  });

  it('keeps a copy of its secret, and gives copies', () => {
    const mine = Uint8Array.from(secret);
    const ref = SturdyRef.of(mine, { transport: 'unix', path: '/s' });
    mine.fill(0);
    ref.secret().fill(0);
    expect(ref.secret()).toEqual(secret);
    expect(Object.isFrozen(ref.address)).toBe(true);
  });

  it('is not made of a wrong secret or address', () => {
    const unix = { transport: 'unix', path: '/s' } as const;
    expect(() => SturdyRef.of(secret.subarray(1), unix)).toThrow(/33 bytes, not 32/);
    expect(() => SturdyRef.of(Uint8Array.from(secret).fill(2), unix)).toThrow(/version 1/);
    expect(() => SturdyRef.of(secret, { transport: 'unix', path: 'data/s' })).toThrow(/absolute/);
    expect(() => SturdyRef.of(secret, { transport: 'unix', path: '/\ud800' })).toThrow(/Unicode/);
    const tcp = { transport: 'tcp', host: '127.0.0.1', port: 1, key: null } as const;
    expect(() => SturdyRef.of(secret, { ...tcp, port: 1.5 })).toThrow(/port/);
    expect(() => SturdyRef.of(secret, { ...tcp, host: '10.0.0.1' })).toThrow(/in the clear/);
    expect(() => SturdyRef.of(secret, { ...tcp, host: 'a/../b' })).toThrow(/host/);
  });

  it('round-trips every path that a socket can have', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
        fc.pre(!name.includes('\0') && !name.endsWith('/'));
        const ref = SturdyRef.of(secret, { transport: 'unix', path: `/${name}` });
        expect(SturdyRef.parse(ref.format()).address).toEqual({ transport: 'unix', path: `/${name}` });
      }),
    );
  });
});

const MISPLACED = [
  'SECRET',
  'SECRET#GOOD',
  'sturdy://SECRET:7447/#GOOD',
  'sturdy://127.0.0.1:SECRET/#GOOD',
  'sturdy://sha-256:SECRET@127.0.0.1:7447/#GOOD',
  'sturdy://SECRET@127.0.0.1:7447/#GOOD',
  'sturdy://127.0.0.1:7447/SECRET#GOOD',
  'sturdy+unix:///SECRET?#GOOD',
  'sturdy+unix:///SECRET#GOOD',
  'sturdy+unix://SECRET#GOOD',
  'sturdy://127.0.0.1:7447/#SECRETSECRET',
];

describe('a secret', () => {
  it('is a version and 32 random bytes, never the same twice', () => {
    const made = new Set(Array.from({ length: 100 }, () => Buffer.from(mintSecret()).toString('hex')));
    expect(made.size).toBe(100);
    for (const hex of made) expect(hex).toMatch(/^01[0-9a-f]{64}$/);
  });

  it('has a digest, whatever bytes it is', () => {
    expect(Buffer.from(digestOf(Buffer.from('abc'))).toString('hex')).toMatch(/^ba7816bf8f01cfea/);
    expect(digestOf(new Uint8Array())).toHaveLength(32);
    expect(digestOf(secret)).not.toEqual(digestOf(mintSecret()));
  });
});

describe('loopback', () => {
  it('is 127.0.0.0/8 and ::1, and no name', () => {
    expect(['127.0.0.1', '127.255.0.3', '::1'].every(isLoopback)).toBe(true);
    expect(['localhost', '128.0.0.1', '::', '127.0.0.1.evil.example', '127.1'].some(isLoopback)).toBe(false);
  });
});
