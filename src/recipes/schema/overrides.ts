import { isScalar, parseDocument } from 'yaml';
import { AttuneError, type ErrorCode } from '../../errors/index.ts';
import { at, type Declared, declaredAt, declaredRecipe, keysOf, listPlaces, type Path } from './declaration.ts';
import type { RecipeDocument } from './parseRecipe.ts';
import { shown } from './problems.ts';
import { fixUnknownKey } from './unknownKey.ts';

/** The document with arguments applied in their order: `key=value` sets, `~key` removes. */
export function applyOverrides(document: RecipeDocument, overrides: readonly string[]): RecipeDocument {
  return overrides.reduce(applyOverride, document);
}

function applyOverride(source: RecipeDocument, argument: string): RecipeDocument {
  const where = `argument '${argument.length > 80 ? `${argument.slice(0, 79)}…` : argument}'`;
  const isRemoval = argument.startsWith('~');
  const key = isRemoval ? argument.slice(1) : argument.split('=', 1)[0]!;
  if (key === '' || argument.includes('=') === isRemoval) {
    throw problem(
      'USAGE',
      where,
      'is not key=value',
      'write training.learning_rate=3e-5 to set, ~training.max_steps to remove',
    );
  }
  const path = findSetting(key, where, source.document);
  if (isRemoval) return { ...source, document: without(source.document, path) };
  const value = parseValue(argument.slice(key.length + 1), where);
  return {
    ...source,
    document: withValue(source, path, value),
    placeOf: (place) => (startsWith(place, path) ? nameArgument(where, place, path) : source.placeOf(place)),
  };
}

/** A whole path (`training.learning_rate`), or the last word of it where only one setting ends so. */
function findSetting(key: string, where: string, document: unknown): string[] {
  const root = declaredRecipe();
  const path = key.split('.');
  if (isDeclared(root, path, document)) return path;
  const all = listPlaces(root).filter(({ declared }) => declared.sameAs === undefined);
  const named = all.filter((setting) => path.length === 1 && setting.path.at(-1) === key);
  if (named.length === 1) return [...named[0]!.path];
  const places = named.map((setting) => setting.path.join('.'));
  const fix =
    places.length > 0
      ? `write one of ${places.join(', ')}`
      : fixUnknownKey(root, known(root, path, document), document);
  throw problem('CONFIG_UNKNOWN_KEY', where, `there is no setting \`${key}\``, fix);
}

function isDeclared(root: Declared, path: Path, document: unknown): boolean {
  return path.every((key, index) => {
    const place = path.slice(0, index);
    return Object.hasOwn(keysOf(declaredAt(root, place, document), at(document, place)), key);
  });
}

/** The path up to and with its first key that is not there: the one to explain. */
function known(root: Declared, path: Path, document: unknown): Path {
  const length = path.findIndex((_, index) => !isDeclared(root, path.slice(0, index + 1), document));
  return path.slice(0, length + 1);
}

/** Numbers, true, false, null, quoted texts, [lists] and {mappings} as in YAML; anything else is a text as it is. */
function parseValue(text: string, where: string): unknown {
  if (text === '') throw problem('CONFIG_INVALID', where, 'has no value', 'write key=value, or ~key to remove the key');
  const parsed = parseDocument(text, { prettyErrors: false });
  if (/^["'[{]/.test(text)) return marked(parsed, where);
  // `*.jsonl` would be an alias in YAML and `a: b` a mapping; as an argument each is what it looks like.
  const value = isScalar(parsed.contents) && parsed.errors.length === 0 ? parsed.contents.value : text;
  return value === null || typeof value === 'number' || typeof value === 'boolean' ? value : text;
}

function marked(parsed: ReturnType<typeof parseDocument>, where: string): unknown {
  try {
    if (parsed.errors[0]) throw parsed.errors[0];
    return parsed.toJS();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw problem('CONFIG_INVALID', where, `its value is not YAML: ${message}`, 'put a text in quotes');
  }
}

function withValue(source: RecipeDocument, path: Path, value: unknown, depth = 0): unknown {
  const key = path[depth];
  if (key === undefined) return value;
  return { ...groupAt(source, path.slice(0, depth)), [key]: withValue(source, path, value, depth + 1) };
}

/** The group a value is put into. `method: full` is the short form of one, a key without a value an empty one. */
function groupAt({ document, placeOf }: RecipeDocument, path: Path): object {
  const here = at(document, path);
  if (here === undefined || here === null) return {};
  if (path.length === 1 && path[0] === 'method' && typeof here === 'string') return { name: here };
  if (typeof here === 'object' && !Array.isArray(here)) return here;
  throw problem(
    'CONFIG_INVALID',
    placeOf(path),
    `got ${shown(here)}`,
    'give a mapping, so that an argument can set a key of it',
  );
}

function without(document: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (typeof document !== 'object' || document === null || key === undefined || !Object.hasOwn(document, key)) {
    return document;
  }
  const { [key]: inner, ...others } = document as Record<PropertyKey, unknown>;
  return rest.length > 0 ? { ...document, [key]: without(inner, rest) } : others;
}

function startsWith(place: Path, path: Path): boolean {
  return path.every((key, index) => place[index] === key);
}

function nameArgument(where: string, place: Path, path: Path): string {
  return place.length > path.length ? `${where} ${place.map(String).join('.')}` : where;
}

function problem(code: ErrorCode, where: string, text: string, fix: string): AttuneError {
  return new AttuneError({ code, where, problem: text, fix });
}
