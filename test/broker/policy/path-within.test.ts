import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPlainPath, pathWithin } from '../../../broker/policy/path-within.js';

describe('a path within another', () => {
  const within = pathWithin('/reports');

  it.each([
    '/reports',
    '/reports/a',
    '/reports/a/b.txt',
    '/reports/.hidden',
    '/reports/a..b',
    '/reports/Grüße 世界',
    '/reports/a:b',
    '/reports/~x',
  ])('is: %s', (path) => expect(within(path)).toBe(true));

  it.each([
    ['', 'nothing'],
    ['/', 'above'],
    ['/report', 'another'],
    ['/reports2', 'a longer name'],
    ['/Reports/a', 'another case'],
    ['reports/a', 'relative'],
    ['./reports/a', 'relative'],
    ['/x/reports', 'elsewhere'],
    ['/reports/..', 'above'],
    ['/reports/../x', 'above'],
    ['/reports/../reports/a', 'back again: nobody says that it is read so'],
    ['/reports/a/../b', 'not plain'],
    ['/reports/a/../../x', 'above'],
    ['/reports/.', 'not plain'],
    ['/reports/./a', 'not plain'],
    ['/reports/', 'an empty segment'],
    ['/reports//a', 'an empty segment'],
    ['//reports/a', 'an empty segment'],
    ['/reports/...', 'dots'],
    ['/reports/.. /x', 'what some systems take for ..'],
    ['/reports/ /x', 'a blank'],
    ['/reports\\..\\x', 'backslashes'],
    ['/reports/..\\x', 'backslashes'],
    ['/reports/%2e%2e/x', 'encoded'],
    ['/reports/%252e%252e/x', 'encoded twice'],
    ['/reports%2f..%2fx', 'encoded'],
    ['/reports/%', 'may be encoded'],
    ['/reports/a\0', 'a NUL'],
    ['/reports\0/../../x', 'a NUL'],
    ['/reports/a\n', 'a control character'],
    ['/reports/.\u200c./x', 'an invisible character'],
    ['/reports/\u202e./x', 'an invisible character'],
    ['/reports/\u2028', 'a separator of lines'],
    ['/reports/．．/x', 'full-width dots'],
    ['/reports/‥/x', 'a leader of two dots'],
    ['/reports/a／..', 'a full-width slash'],
    ['/reports/％2e％2e/x', 'full-width percent signs'],
    ['/reports/＼..', 'a full-width backslash'],
    ['/ｒeports/x', 'another name'],
  ])('is not: %j (%s)', (path) => expect(within(path)).toBe(false));

  it('is everything plain below /, and relative below what is relative', () => {
    const root = pathWithin('/');
    expect(['/', '/a', '/a/b'].map(root)).toEqual([true, true, true]);
    expect(['', 'a', '//', '/..', '/a/', '/a//b', '//a'].map(root)).toEqual(Array(7).fill(false));
    const relative = pathWithin('in/box');
    expect(['in/box', 'in/box/a'].map(relative)).toEqual([true, true]);
    expect(['/in/box/a', 'in/boxes', 'in', 'in/box/../x', './in/box'].map(relative)).toEqual(
      Array(5).fill(false),
    );
  });

  it.each(['', '/a/', 'a/..', '//', '/./a', 'a\\b', '/%41', '/a\0', ' '])(
    'takes no base that is not plain: %j',
    (base) => expect(isPlainPath(base)).toBe(false),
  );

  it('is what a file system would say too: resolving it never leads out', () => {
    const part = fc.constantFrom(
      'reports',
      'a',
      '.',
      '..',
      '',
      ' ',
      '...',
      '%2e%2e',
      '..\\',
      '．．',
      '世',
      'reports2',
    );
    let seen = 0;
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const path = `/${parts.join('/')}`;
        if (!within(path)) return true;
        seen++;
        const { pathname } = new URL(path, 'file:///');
        const stack: string[] = [];
        for (const each of decodeURIComponent(pathname).normalize('NFKC').split(/[/\\]/)) {
          if (each === '..') stack.pop();
          else if (each !== '' && each !== '.') stack.push(each);
        }
        return stack[0] === 'reports';
      }),
      { numRuns: 20_000 },
    );
    expect(seen).toBeGreaterThan(50);
  });
});
