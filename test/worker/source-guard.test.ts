import { describe, expect, it } from 'vitest';
import { respell } from '../../worker/ses-spelling.js';
import { guardSource, SourceRefused } from '../../worker/source-guard.js';

function refusal(source: string): SourceRefused {
  try {
    guardSource(source);
  } catch (error) {
    if (error instanceof SourceRefused) return error;
    throw error;
  }
  throw new Error(`not refused: ${source}`);
}

describe('the source guard', () => {
  it.each([
    ['import("node:fs")'],
    ['import/* a comment */("node:fs")'],
    ['import // a line\n ("node:fs")'],
    ['import\u2028("node:fs")'],
    ['f(...import("node:fs"))'],
    ['`$'.concat('{import("node:fs")}`')],
    ['async () => { for await (const x of [import(y)]); }'],
    ['class A { static { import("node:fs") } }'],
    ['import("node:fs", { with: { type: "json" } })'],
    ['import.source("node:fs")'],
    ['import.defer("node:fs")'],
    ['import.meta'],
    ['import fs from "node:fs"'],
    ['export default 1'],
  ])('refuses %s', (source) => {
    expect(refusal(source)).toBeInstanceOf(SourceRefused);
  });

  it.each([['x <!-- y'], ['<!-- a comment'], ['--> a comment'], ['/* a\n*/ --> a comment'], ['#!/bin/node']])(
    'refuses %s, which another parser would read differently',
    (source) => {
      expect(refusal(source)).toBeInstanceOf(SourceRefused);
    },
  );

  it.each([
    ['with ({}) {}'],
    ['var x = 010'],
    ['delete x'],
    ['let a = 1; let a = 2'],
    ['using 1'],
    ['}{'],
    ['"\\08"'],
  ])('refuses %s, which is no strict script', (source) => {
    expect(refusal(source)).toBeInstanceOf(SourceRefused);
  });

  it('names line and column, counted from 1', () => {
    const { line, column, message } = refusal('let a = 1;\n  import(a);');
    expect([line, column]).toEqual([2, 3]);
    expect(message).toMatch(/^line 2, column 3: a program cannot load modules/);
    expect(refusal('\n\n @')).toMatchObject({ line: 3, column: 2 });
  });

  it.each([
    ['"import(x)"'],
    ['/import(x)/'],
    ['({ import() {} })'],
    ['a.import(x)'],
    ['"<!--"'],
    ['a-- > b'],
    ['// -->'],
  ])('lets %s through', (source) => {
    expect(() => guardSource(source)).not.toThrow();
  });
});

describe('the spelling for ses', () => {
  const evaluate = (source: string): unknown => new Function(`return ${source}`)();
  /** What ses looks for, wherever it stands. */
  const suspicious = /<!--|-->|(^|[^.]|\.\.\.)\bimport(\s*(?:\(|\/[/*]))/;

  it.each([
    ['"<!-- a --> import (b) import/* */"'],
    ["'<!-->'"],
    ['`<!-- $'.concat('{1 + 1} --> import(x)`')],
    ['["\\import(x)", "\\<!--", "--\\>"]'],
    ['({ import(x) { return x; } }).import(3)'],
    ['new (class { static import() { return 1; } import() { return "<!--"; } })().import()'],
  ])('keeps the value of %s', (source) => {
    const respelt = respell(`(${source})`);
    expect(respelt).not.toMatch(suspicious);
    expect(evaluate(respelt)).toEqual(evaluate(source));
  });

  it.each([
    [/<!--.*?-->/, '<!-- x -->'],
    [/(?<!--)x/, 'x'],
    [/^[<!--]$/, '#'],
    [/^[<!--]$/, '/'],
    [/<!--/, '<!--'],
    [/import(x)/, 'importx'],
    [/[+-->]/, '>'],
  ])('keeps what %s matches', (pattern, text) => {
    const respelt = respell(`(${pattern})`);
    expect(respelt).not.toMatch(suspicious);
    expect((evaluate(respelt) as RegExp).test(text)).toBe(pattern.test(text));
  });

  it('leaves a real import expression as it is', () => {
    expect(respell('import(x)')).toBe('import(x)');
  });

  it('refuses a tagged template, whose raw text it would change, and says where it is', () => {
    expect(() => respell('String.raw`\n<!-- x -->`')).toThrow(
      /line \d+, column \d+: a tagged template contains/,
    );
  });
});
