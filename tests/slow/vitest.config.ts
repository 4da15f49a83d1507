import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { reporters } from '../reporters.ts';

/** Tests on real weights: minutes rather than seconds. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '..', '..'),
    include: ['src/**/*.slow.test.ts', 'tests/**/*.slow.test.ts'],
    testTimeout: 600_000,
    pool: 'forks',
    maxWorkers: 1,
    ...reporters('slow'),
  },
});
