import { nearest } from '../../errors/index.ts';
import { at, type Declared, declaredAt, listPlaces, type Path, reasonWithout, type Setting } from './declaration.ts';
import { offeredKeys } from './takes.ts';

/** The fix for a key that is not there: the setting that was meant, if it can be told, and the keys of the place. */
export function fixUnknownKey(root: Declared, path: Path, document: unknown): string {
  const place = path.slice(0, -1).map(String);
  const declared = declaredAt(root, place, document);
  const keys = offeredKeys(declared, at(document, place));
  const reason = reasonWithout(declared, String(path.at(-1)), at(document, place));
  if (reason) return reason;
  const hint = meant({ key: String(path.at(-1)), place, keys, all: listPlaces(root) });
  const group = place.length > 0 ? `of \`${place.join('.')}\`` : 'at the top';
  const list = keys.length > 0 ? `the keys ${group} are ${keys.join(', ')}` : `\`${place.join('.')}\` has no keys`;
  return hint ? `${hint} (${list})` : list;
}

interface Unknown {
  readonly key: string;
  /** The group it was written in, and the keys of that. */
  readonly place: readonly string[];
  readonly keys: readonly string[];
  readonly all: readonly Setting[];
}

function meant({ key, place, keys, all }: Unknown): string | undefined {
  const known = all.filter((setting) => isKnownAs(setting, key));
  const here = known.find((setting) => isIn(setting, place));
  if (here && leaf(here) === key) return `\`${key}\` belongs to another \`${[...place, 'name'].join('.')}\``;
  if (here) return `\`${key}\` is called \`${leaf(here)}\` here`;
  if (known[0]) return `write \`${known[0].path.join('.')}\``;
  const close = nearest(key, keys);
  if (close) return `did you mean \`${close}\`?`;
  const elsewhere = nearest(key, all.map(leaf));
  return elsewhere && `did you mean \`${all.find((one) => leaf(one) === elsewhere)?.path.join('.')}\`?`;
}

/** `learningRate`, `learning-rate` and `learning_rate` are one word; so are the names that other trainers use. */
function isKnownAs({ path, declared }: Setting, key: string): boolean {
  return [path.at(-1) ?? '', ...(declared.aliases ?? [])].some((name) => bare(name) === bare(key));
}

function bare(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '');
}

function leaf({ path }: Setting): string {
  return path.at(-1) ?? '';
}

function isIn({ path }: Setting, place: readonly string[]): boolean {
  return path.slice(0, -1).join('.') === place.join('.');
}
