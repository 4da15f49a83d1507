import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { reporters } from '../reporters.ts';

/** Tests in the system's Chromium. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '..', '..'),
    include: ['tests/browser/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 1,
    ...reporters('browser'),
  },
});
