/** The set-up of the suite, for the one file whose secrets have to be found: secrets.test.ts runs it. */

import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vitest/config';
import suite from '../../vitest.config.js';

const { projects: _, ...test } = suite.test!;

export default mergeConfig(
  { resolve: suite.resolve!, test },
  {
    root: fileURLToPath(new URL('../../', import.meta.url)),
    test: { include: ['test/secrets/planted.ts'] },
  },
);
