import { defineConfig } from 'vitest/config';
import { reporters } from './tests/reporters.ts';

/** The tests of `npm test`. Slower suites have a configuration of their own under tests/. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/{golden,contracts,crash,e2e,house}/**/*.test.ts'],
    exclude: ['**/*.slow.test.ts', '**/node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    ...reporters('unit'),
  },
});
