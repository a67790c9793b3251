import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../examples/ledger/place.js';

test('the tour ends by itself, with every step as it should be', async () => {
  const { code, printed } = await new Promise<{ code: unknown; printed: string }>((resolve) => {
    const tour = join(ROOT, 'dist/examples/ledger/tour.js');
    execFile(process.execPath, [tour], { timeout: 110_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? (error ? error.signal : 0), printed: `${stdout}${stderr}` }),
    );
  });
  expect(printed).toMatch(/All \d+ steps came out as they should\./);
  expect(printed).not.toMatch(/#[A-Za-z0-9_-]{44}/);
  expect(code).toBe(0);
}, 120_000);
