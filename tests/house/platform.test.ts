/** The rooms that also run in a browser tab know nothing of Node; what needs Node sits in `*.node.ts`. */
import { isBuiltin } from 'node:module';
import { expect, test } from 'vitest';
import { sourceModules } from './modules.ts';

const portable = ['engine', 'files', 'data', 'models', 'methods', 'tasks', 'training', 'inference', 'errors'];
const isNode = (file: string): boolean => file.endsWith('.node.ts');

/** What only Node knows. `setTimeout`, `fetch` and `Uint8Array` are known everywhere. */
const nodeNames = ['process', 'Buffer', 'require', '__dirname', '__filename', 'NodeJS', 'setImmediate'];

/** Packages that run in a browser too, as they are imported there. Types of others cost nothing. */
const portablePackages = [
  '@huggingface/jinja',
  '@huggingface/tokenizers',
  'csv-parse/browser/esm/sync',
  'hyparquet',
  'onnxruntime-web',
  'zod',
];

const modules = sourceModules().filter(
  ({ path }) => portable.some((room) => path.startsWith(`src/${room}/`)) && !isNode(path),
);

test('portable files import neither Node nor packages that need it', () => {
  const wrong = modules.flatMap(({ path, imports }) =>
    imports
      .filter(({ file, isTypeOnly }) => !file && !isTypeOnly)
      .filter(({ specifier }) => !portablePackages.includes(specifier))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}; move what needs it to a .node.ts file`),
  );
  expect(wrong).toEqual([]);
});

test('portable files name nothing that only Node has', () => {
  const wrong = modules.flatMap(({ path, names }) =>
    nodeNames
      .filter((name) => names.has(name))
      .map((name) => `${path}:${names.get(name)![0]} uses ${name}; move what needs it to a .node.ts file`),
  );
  expect(wrong).toEqual([]);
});

test('portable files import no .node.ts file', () => {
  const wrong = modules.flatMap(({ path, imports }) =>
    imports
      .filter(({ file }) => file && isNode(file))
      .map(({ file, line }) => `${path}:${line} imports ${file}; take an interface that ${file} fulfils`),
  );
  expect(wrong).toEqual([]);
});

test('a .node.ts file needs Node', () => {
  const idle = sourceModules().filter(
    ({ path, imports, names }) =>
      isNode(path) &&
      !imports.some(({ specifier, file }) => isBuiltin(specifier) || (file ? isNode(file) : true)) &&
      !nodeNames.some((name) => names.has(name)),
  );
  expect(idle.map(({ path }) => `${path}: it runs anywhere; drop .node from its name`)).toEqual([]);
});
