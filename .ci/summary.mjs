// Prints what vitest counted, as one plain line: `N passed, N failed`. A run that went wrong without a
// failed test (it did not build, a file did not load, an error was nobody's) counts as one failure.
//
// usage: node summary.mjs RESULTS EXIT-STATUS

import { readFileSync } from 'node:fs';

const [path, status] = process.argv.slice(2);
const { passed, failed, skipped } = counted(readFileSync(path, 'utf8'));
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${status === '0' ? failed : Math.max(failed, 1)} failed`);

/** The results as vitest's JSON reporter wrote them; nothing where it never came to that. */
function counted(text) {
  if (text === '') {
    console.log('no test has run to its end: see above for what stopped it');
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const results = JSON.parse(text);
  const unloaded = results.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  );
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + unloaded.length,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}
