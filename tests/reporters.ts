/** In CI each suite also leaves a report that .ci/run adds up. */
export const reporters = (suite: string) =>
  process.env.CI
    ? { reporters: ['default', 'json'], outputFile: { json: `.cache/test-results/${suite}.json` } }
    : { reporters: ['default'] };
