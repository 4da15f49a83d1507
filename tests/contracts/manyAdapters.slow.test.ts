/** On real weights: a hundred adapters add their own bytes to the memory of a process, and no second base. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const bench = join(import.meta.dirname, '../../bench/manyAdapters.ts');
const models = { ATTUNE_TEST_MINILM: 'FOLDER of all-MiniLM-L6-v2', ATTUNE_TEST_SMOLLM2: 'FILE.gguf of SmolLM2' };
const given = Object.keys(models).filter((name) => process.env[name] && existsSync(process.env[name]));
for (const [name, what] of Object.entries(models)) {
  if (!given.includes(name)) console.warn(`SKIPPED: the memory of a hundred adapters (set ${name} to the ${what})`);
}

/**
 * Files are read, turned and put together: the allocator keeps some of what that frees, between −60 and +180 MB of 825 in
 * several runs. A second copy of the base would be 538 MB more for each adapter, of MiniLM 91.
 */
const SHARE = 1.3;
const SLACK = 40e6;

interface Grown {
  readonly adapters: number;
  readonly bytes: number;
  readonly pss: number;
}

test.skipIf(process.platform !== 'linux').each(given)('%s', (name) => {
  const words = ['--model', process.env[name]!, '--targets', 'all-linear', '--memory', '100', '--new-tokens', '2'];
  const output = execFileSync(process.execPath, ['--expose-gc', '--import', 'tsx', bench, ...words], {
    encoding: 'utf8',
  });
  const { grown } = JSON.parse(output) as { grown: Grown[] };
  const [first, last] = [grown[0]!, grown.at(-1)!];
  expect([first.adapters, last.adapters]).toEqual([16, 100]);
  expect(last.bytes - first.bytes).toBeGreaterThan(100e6);
  expect(last.pss - first.pss).toBeLessThan(SHARE * (last.bytes - first.bytes) + SLACK);
});
