/** The public surface is small and written down, and nothing happens on import. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { exists, filesBelow, read, root } from './files.ts';
import { sourceModules } from './modules.ts';

const modules = sourceModules();
const manifest = JSON.parse(read('package.json')) as {
  exports: Record<string, string | Record<string, string>>;
  bin: Record<string, string>;
  files: string[];
  sideEffects: boolean;
};

test('what `import … from "attune"` offers', () => {
  const { exports } = modules.find(({ path }) => path === 'src/index.ts')!;
  const names = exports.map(({ name, isType }) => (isType ? `type ${name}` : name));
  expect(names.sort()).toMatchInlineSnapshot(`
    [
      "AttuneError",
      "combineAdapters",
      "errorCodes",
      "evaluate",
      "load",
      "parseRecipe",
      "train",
      "type AdaptedModel",
      "type AdapterReferences",
      "type Answer",
      "type ByAdapter",
      "type CallOptions",
      "type ChatByAdapter",
      "type ChatMessage",
      "type ChatOptions",
      "type Classifier",
      "type ErrorCode",
      "type EvaluateCallOptions",
      "type Evaluation",
      "type GenerateByAdapter",
      "type GenerateOptions",
      "type LanguageModel",
      "type Loading",
      "type Metrics",
      "type Model",
      "type Prediction",
      "type Problem",
      "type Recipe",
      "type RecipeInput",
      "type Run",
      "type SumCallOptions",
      "type TextInput",
      "type Tool",
      "type TrainCallOptions",
      "type TrainEvent",
    ]
  `);
});

test('docs/reference/typescript.md names all of it', () => {
  const { exports } = modules.find(({ path }) => path === 'src/index.ts')!;
  const words = new Set(read('docs/reference/typescript.md').match(/\w+/g));
  expect(exports.map(({ name }) => name).filter((name) => !words.has(name))).toEqual([]);
});

test('exports have names: no `export default`, no `export *`', () => {
  const wrong = modules.flatMap(({ path, unnamedExports }) => unnamedExports.map((line) => `${path}:${line}`));
  expect(wrong).toEqual([]);
});

// `npm test` builds before it tests.
describe.skipIf(!exists('dist'))('the built package', () => {
  test('has every file that package.json names', () => {
    const entries = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry),
    );
    const targets = [...entries, ...Object.values(manifest.bin)];
    expect([...targets, ...manifest.files].filter((file) => !exists(file))).toEqual([]);
    const isPublished = (file: string) =>
      ['./package.json', ...manifest.files].some((one) => join(file).startsWith(join(one)));
    expect(targets.filter((file) => !isPublished(file))).toEqual([]);
  });

  test('does nothing on import: every index prints nothing, starts nothing, and lets the process end', () => {
    expect(manifest.sideEffects).toBe(false);
    const indexes = filesBelow('dist').filter((file) => /\/index(\.node)?\.js$/.test(file));
    expect(indexes).toContain('dist/index.js');
    const urls = indexes.map((file) => pathToFileURL(join(root, file)).href);
    const program = `await Promise.all(${JSON.stringify(urls)}.map((url) => import(url)))`;
    const options = { encoding: 'utf8', timeout: 10_000 } as const;
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', program],
      options,
    );
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '', stderr: '' });
  });
});
