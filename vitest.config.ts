import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // The package by its own name is what was built: what a test of whole processes has to run.
    alias: [
      {
        find: /^sturdy\/(schema|rpc|client|worker|broker)$/,
        replacement: fileURLToPath(new URL('./dist/$1/index.js', import.meta.url)),
      },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
