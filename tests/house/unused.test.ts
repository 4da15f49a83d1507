/** What is exported is used by another file, or offered by the package. */
import { expect, test } from 'vitest';
import { isTest } from './files.ts';
import { type Module, modulesBelow, type Place } from './modules.ts';

const modules = ['src', 'tests', 'examples', 'bench', 'tools', 'web'].flatMap(modulesBelow);
const byPath = new Map(modules.map((module) => [module.path, module]));

/** A name that only passes through an index is used where it is declared, once somebody takes it from the index. */
function use(place: Place, used: Set<string>): void {
  const key = `${place.file} ${place.name}`;
  if (used.has(key)) return;
  used.add(key);
  const found = byPath.get(place.file)?.exports.find(({ name }) => name === place.name);
  if (found?.from) use(found.from, used);
}

const placesOf = (module: Module | undefined): Place[] =>
  (module?.exports ?? []).map(({ name }) => ({ file: module!.path, name }));

function usedPlaces(): Set<string> {
  const used = new Set<string>();
  for (const place of placesOf(byPath.get('src/index.ts'))) use(place, used);
  for (const { imports } of modules) {
    for (const { file, names } of imports) {
      const taken =
        names === 'all' ? placesOf(byPath.get(file ?? '')) : names.map((name) => ({ file: file ?? '', name }));
      for (const place of taken) use(place, used);
    }
  }
  return used;
}

/** A type that its file needs anyway, mostly in a signature, may be exported: who calls may want to name it. */
function isNeededType({ file, name }: Place): boolean {
  const module = byPath.get(file);
  const found = module?.exports.find((one) => one.name === name);
  if (!module || !found?.isType) return false;
  return found.from ? isNeededType(found.from) : module.names.get(name)!.length > 1;
}

test('every export of src is imported somewhere', () => {
  const used = usedPlaces();
  const unused = modules
    .filter(({ path }) => path.startsWith('src/') && !isTest(path))
    .flatMap(({ path, exports }) =>
      exports
        .filter(({ name }) => !used.has(`${path} ${name}`) && !isNeededType({ file: path, name }))
        .map(({ name, line, from }) => `${path}:${line} ${from ? 'passes on' : 'exports'} ${name}`),
    );
  expect(unused, 'drop `export`, or what nobody needs').toEqual([]);
});
