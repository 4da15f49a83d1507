/** Imports point downwards, between the rooms of src and between the folders of the engine, and never in a circle. */
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { operations } from '../../src/engine/ops/index.ts';
import { type Import, modulesBelow, sourceModules } from './modules.ts';

/** The rooms in the order data flows (ARCHITECTURE.md). A room may import every room that comes after it. */
const order = [
  'cli',
  'server',
  'remote',
  'recipes',
  'store',
  'evaluation',
  'inference',
  'training',
  'tasks',
  'data',
  'methods',
  'models',
  'files',
  'engine',
  'errors',
];
/** The same for the folders of the engine. */
const insideEngine = {
  graph: ['errors'],
  ops: ['engine/graph', 'errors'],
  autodiff: ['engine/ops', 'engine/graph', 'errors'],
  onnx: ['engine/graph', 'errors'],
  runtime: ['engine/onnx', 'engine/graph', 'errors'],
  kernels: [],
  random: [],
};
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'index.ts': ['recipes', 'evaluation', 'inference', 'errors'],
  ...Object.fromEntries(order.map((room, index) => [room, order.slice(index + 1)])),
  ...Object.fromEntries(Object.entries(insideEngine).map(([folder, rooms]) => [`engine/${folder}`, rooms])),
};

const modules = sourceModules();

/** `engine/graph` of src/engine/graph/dims.ts, `recipes` of src/recipes/train/plan.ts, `index.ts` of src/index.ts. */
function roomOf(file: string): string {
  const [, room, folder] = file.split('/') as [string, string, string];
  return room === 'engine' ? `engine/${folder}` : room;
}

/** Why an import is not allowed, or nothing. */
function broken(path: string, { file, line }: Import): string | undefined {
  if (!file) return undefined;
  const from = roomOf(path);
  const to = file.startsWith('src/') ? roomOf(file) : dirname(file);
  const allowed = mayImport[from] ?? [];
  if ([from, ...allowed].some((room) => to === room || to.startsWith(`${room}/`))) return undefined;
  return `${path}:${line} imports ${to}/; ${from}/ may import: ${allowed.join(', ') || 'nothing'}`;
}

test('imports point only downwards', () => {
  const wrong = modules.flatMap(({ path, imports }) => imports.flatMap((one) => broken(path, one) ?? []));
  expect(wrong).toEqual([]);
});

test('every folder of src has its place in the order', () => {
  const rooms = new Set(modules.map(({ path }) => roomOf(path)));
  expect([...rooms].filter((room) => !mayImport[room])).toEqual([]);
});

test('the dashboard takes from src only the types of server/api.ts', () => {
  const wrong = modulesBelow('web').flatMap(({ path, imports }) =>
    imports
      .filter(({ file, isTypeOnly }) => file?.startsWith('src/') && !(isTypeOnly && file === 'src/server/api.ts'))
      .map(({ file, line }) => `${path}:${line} imports ${file}; web/ may import: type of src/server/api.ts`),
  );
  expect(wrong).toEqual([]);
});

// Between rooms the order already forbids circles of types; inside a room two files may know each other's types.
test('no file imports itself through others', () => {
  const next = new Map(
    modules.map(({ path, imports }) => [path, imports.flatMap((one) => (one.isTypeOnly ? [] : (one.file ?? [])))]),
  );
  expect(circles(next)).toEqual([]);
});

/** Depth first: a file that is met again while it is still open closes a circle. */
function circles(next: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, open: readonly string[]) => {
    if (open.includes(file)) found.push([...open.slice(open.indexOf(file)), file].join(' → '));
    if (open.includes(file) || done.has(file)) return;
    for (const imported of next.get(file) ?? []) visit(imported, [...open, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

/** The gradient of a value that is used twice is a sum; what is computed again waits until it is needed. */
const namedOperations = ['src/engine/autodiff/gradients.ts add', 'src/engine/autodiff/recompute.ts after'];

test('autodiff and onnx name no operation: each row of engine/ops brings what they need', () => {
  const rows = new Set(Object.values(operations).map(({ name }) => name));
  const inside = modules.filter(({ path }) => /^src\/engine\/(autodiff|onnx)\//.test(path));
  const wrong = inside.flatMap(({ path, names, strings }) =>
    [...names, ...strings]
      .filter(([name]) => rows.has(name) && !namedOperations.includes(`${path} ${name}`))
      .map(([name, [line]]) => `${path}:${line} names ${name}`),
  );
  expect(wrong).toEqual([]);
});
