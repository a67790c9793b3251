import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateInThread } from '../worker/threads/start.js';
import { CRAWLER } from './crawler.js';
import { Findings } from './harness/findings.js';

const findings = new Findings('crawler');
afterAll(() => findings.write());

describe('the crawler of R1, in a compartment of a locked-down thread', () => {
  let told: string[];
  beforeAll(async () => {
    told = await evaluateInThread({
      source: `(${CRAWLER})(isTrusted, () => {}).then((lines) => lines.forEach((line) => tell(line)))`,
      tellGlobals: true,
    });
  });

  it('walks all that is there', () => {
    const seen = told.find((line) => line.startsWith('seen '));
    const [, objects, roots] = /^seen (\d+) from (\d+)$/.exec(seen ?? '') ?? [];
    console.log(
      `Node ${process.versions.node}: the crawler saw ${objects} objects from ${roots} roots of syntax`,
    );
    findings.figure('crawler', { objects: Number(objects), roots: Number(roots) });
    expect(Number(objects)).toBeGreaterThan(1000);
    expect(Number(roots)).toBeGreaterThan(100);
    expect(told.at(-1)).toBe('done');
  });

  it('finds nothing that is not frozen, and nothing of the trusted side', () => {
    expect(told.filter((line) => line.startsWith('not frozen') || line.startsWith('trusted'))).toEqual([]);
  });

  it('finds what is not frozen, and what is of the trusted side, where there is any', async () => {
    const source = `(${CRAWLER})((value) => value === tell, ({ see }) => { const loose = { deep: {} }; see(Object.freeze({ loose }), 'planted'); })
      .then((lines) => lines.forEach((line) => tell(line)))`;
    const faults = (await evaluateInThread({ source })).slice(1, -1);
    expect(faults).toEqual([
      'not frozen: planted.loose',
      'not frozen: planted.loose.deep',
      'trusted: globalThis.tell',
    ]);
  });

  it('left the thread nothing but standard JavaScript, no environment, no arguments and no loader', () => {
    const globals = told[0]!.split(' ');
    for (const name of [
      'process',
      'Buffer',
      'setTimeout',
      'require',
      'fetch',
      'WebAssembly',
      'console',
      'harden',
    ]) {
      expect(globals).not.toContain(name);
    }
    expect(told[1]).toBe('env 0 argv 0 execArgv 0');
    expect(told[2]).toBe('load: a domain cannot load modules');
    // The wall behind the censors: Node itself has no loader for text that ses evaluates.
    expect(told[3]).toMatch(/^import: ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING/);
  });
});
