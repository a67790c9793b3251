import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64Url } from '../../schema/base64.js';
import { domain, host, sturdy } from '../../schema/protocols.generated.js';
import { ROOT } from './schemas.js';

describe('base64', () => {
  it('is what Node makes of it, in both alphabets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const url = Buffer.from(bytes).toString('base64url');
        expect(toBase64Url(bytes)).toBe(url);
        expect(fromBase64(url)).toEqual(bytes);
        expect(fromBase64(Buffer.from(bytes).toString('base64').replace(/=+$/, ''))).toEqual(bytes);
      }),
    );
  });
});

describe('the module of the protocols', () => {
  it.each(Object.entries({ sturdy, domain, host }))(
    'has in it what is compiled, or npm run schema has to be run: %s',
    (name, text) => {
      const committed = readFileSync(join(ROOT, `schema/${name}.cgr`));
      expect(Buffer.compare(committed, fromBase64(text))).toBe(0);
    },
  );
});
