import { describe, expect, it } from 'vitest';
import { refuseImportPhases } from '../../worker/import-phases.js';

describe('text that a program makes while it runs', () => {
  it.each([
    ['import.source("x")'],
    ['import.defer("x")'],
    ['import.meta'],
    ['import /* it */ . source("x")'],
    ['import// it\n.defer("x")'],
    ['(() => import\u2028.source("x"))'],
    ['(function anonymous(a = import.defer("x")\n) {\n\n})'],
    ['"import.meta"; import.source("x")'],
  ])('is refused with %s', (source) => {
    expect(() => refuseImportPhases(source)).toThrow(SyntaxError);
    expect(() => refuseImportPhases(source)).toThrow(/^a program cannot load modules/);
  });

  it.each([['"import.meta"'], ['`import.source(x)`'], ['/import.defer/'], ['({}).import.source'], ['1 + 1']])(
    'is left as it is with %s',
    (source) => {
      expect(refuseImportPhases(source)).toBe(source);
    },
  );
});
