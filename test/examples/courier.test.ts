import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ROOT } from '../../examples/ledger/place.js';

it('the courier fetches and files a report with a key that it does not know, and gets no further', async () => {
  const program = join(ROOT, 'dist/examples/courier/run.js');
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  expect(stdout.trim().split('\n')).toEqual([
    'fetched 29 bytes: the report /reports/november',
    expect.stringMatching(/^refused: url: http:\/\/127.0.0.1:1 is not granted/),
    expect.stringMatching(/^refused: method: "DELETE" is not granted/),
    'refused: the secret key is not for a header x-echo; it is for authorization',
    expect.stringMatching(/^refused: path: expected names/),
  ]);
});
