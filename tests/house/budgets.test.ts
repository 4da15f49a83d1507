/** A file, a function and a folder that a reader can hold in the head. The width of a line is biome's to check. */
import { expect, test } from 'vitest';
import { filesBelow, isTest, read } from './files.ts';
import { modulesBelow, sourceModules } from './modules.ts';

/** Longer than 500 lines, with the reason. */
const longFiles: Readonly<Record<string, string>> = {};

const folders = ['src', 'tests', 'examples', 'bench', 'tools', 'web'];
const files = folders.flatMap(filesBelow);
const sources = files.filter((file) => /\.(ts|tsx|mjs|js|py|css)$/.test(file) && !/[./]generated\./.test(file));
const lengths = sources.map((file) => ({ file, lines: read(file).trimEnd().split('\n').length }));

test('a file has at most 500 lines; over 300 deserve a look', () => {
  const looked = lengths.filter(({ lines }) => lines > 300);
  if (looked.length > 0) console.warn(['Over 300 lines:', ...looked.map(shown)].join('\n  '));
  const wrong = lengths.filter(({ file, lines }) => lines > 500 && !(file in longFiles));
  expect(wrong.map(shown), 'split by subject, or give a reason in `longFiles`').toEqual([]);
  const idle = Object.keys(longFiles).filter((file) => !lengths.some((one) => one.file === file && one.lines > 500));
  expect(idle, '`longFiles` names files that are not long').toEqual([]);
});

const shown = ({ file, lines }: { file: string; lines: number }) => `${file}: ${lines} lines`;

// Biome has a rule for this too, but counts only the statements of the outermost block.
test('a function has at most 60 lines that are not blank', () => {
  const modules = ['src', 'examples', 'bench', 'tools', 'web']
    .flatMap(modulesBelow)
    .filter(({ path }) => !isTest(path));
  const wrong = modules.flatMap(({ path, functions }) =>
    functions.filter(({ length }) => length > 60).map(({ line, length }) => `${path}:${line}: ${length} lines`),
  );
  expect(wrong, 'name its parts').toEqual([]);
});

test('no folder and no file is a drawer', () => {
  const drawer = /(^|\/)(utils?|commons?|helpers?|misc|shared)(\/|\.[a-z.]+$)/i;
  const wrong = [...files, ...filesBelow('docs')].filter((file) => drawer.test(file));
  expect(wrong, 'put it beside its only caller, or name the concept').toEqual([]);
});

test('a folder of src holds at most 20 source files', () => {
  const counts = new Map<string, number>();
  for (const { path } of sourceModules()) {
    const folder = path.slice(0, path.lastIndexOf('/'));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  const wrong = [...counts].filter(([, count]) => count > 20).map(([folder, count]) => `${folder}/: ${count} files`);
  expect(wrong, 'make a folder of those that belong together').toEqual([]);
});

test('src promises nothing for later', () => {
  const promise = /\b(TODO|FIXME|HACK|XXX)\b|\bfor now\b|\bnot (yet )?implemented\b/i;
  const wrong = sources
    .filter((file) => file.startsWith('src/'))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((text, index) => (promise.test(text) ? [`${file}:${index + 1}: ${text.trim()}`] : [])),
    );
  expect(wrong, 'do it, or write it down in docs/').toEqual([]);
});
