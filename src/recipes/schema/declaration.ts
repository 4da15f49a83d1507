import { z } from 'zod';
import { recipeSettings } from './recipeSettings.ts';

/** A setting or a group of them as JSON Schema, with the words of its `.meta()` beside the standard ones. */
export type Declared = z.core.JSONSchema.BaseSchema & {
  readonly unit?: string;
  /** What other trainers call it. Never accepted: the error for an unknown key names the setting that was meant. */
  readonly aliases?: readonly string[];
  /** What it takes, where the types alone would say too little. */
  readonly takes?: string;
  /** Keys of its kin that it cannot have, and why. */
  readonly without?: Readonly<Record<string, string>>;
  /** Its default, where that is not one value. */
  readonly defaultText?: string;
  /** The setting that this one is another place for. */
  readonly sameAs?: string;
};

export type Path = readonly PropertyKey[];

/** A declaration as plain data: what may be written, before defaults. */
export const declared = (settings: z.ZodType): Declared =>
  z.toJSONSchema(settings, { io: 'input', target: 'draft-07', override: dropSafeIntegerLimits });

export const declaredRecipe = (): Declared => declared(recipeSettings);

/** `z.int()` states the limits of a double, which would only be noise in a message. */
function dropSafeIntegerLimits({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
}

export function alternatives(declared: Declared): readonly Declared[] {
  return (declared.anyOf ?? declared.oneOf ?? []) as Declared[];
}

/** The keys of a group. Where there are several kinds of group, `value` says which is meant: by its `name`, say. */
export function keysOf(declared: Declared, value?: unknown): Record<string, Declared> {
  const own = (declared.properties ?? {}) as Record<string, Declared>;
  const kinds = alternatives(declared).filter((kind) => Object.keys(keysOf(kind)).length > 0);
  const meant = kinds.filter((kind) => agrees(kind, value));
  const chosen = (meant.length > 0 ? meant : kinds).map((kind) => keysOf(kind, value));
  return { ...Object.assign({}, ...chosen), ...tellingKeys(chosen), ...own };
}

/** The key by which kinds of a group are told apart takes any of their words. */
function tellingKeys(kinds: readonly Record<string, Declared>[]): Record<string, Declared> {
  if (kinds.length < 2) return {};
  const telling = Object.entries(kinds[0]!).filter(([key]) => kinds.every((kind) => kind[key]?.const !== undefined));
  return Object.fromEntries(
    telling.map(([key, declared]) => {
      const { const: _, ...others } = declared;
      return [key, { ...others, enum: kinds.map((kind) => kind[key]!.const!) }];
    }),
  );
}

/** What each value of a mapping takes whose keys are free; undefined where there is none such. */
export function valuesOf({ properties, additionalProperties: values }: Declared): Declared | undefined {
  return properties === undefined && typeof values === 'object' ? (values as Declared) : undefined;
}

function agrees(kind: Declared, value: unknown): boolean {
  return Object.entries(keysOf(kind)).every(
    ([key, { const: only }]) => only === undefined || only === at(value, [key]),
  );
}

/** Why a group has no such key, where it says so. */
export function reasonWithout(group: Declared, key: string, value: unknown): string | undefined {
  if (group.without) return agrees(group, value) ? group.without[key] : undefined;
  return alternatives(group).flatMap((kind) => reasonWithout(kind, key, value) ?? [])[0];
}

/** The declaration at a place, or of the group around it where the place itself is not declared. */
export function declaredAt(declared: Declared, path: Path, value: unknown): Declared {
  const [key, ...rest] = path;
  if (key === undefined) return declared;
  const list = [declared, ...alternatives(declared)].find(({ items }) => items !== undefined);
  const ofKey = (): Declared | undefined => keysOf(declared, value)[String(key)] ?? valuesOf(declared);
  const next = typeof key === 'number' ? (list?.items as Declared | undefined) : ofKey();
  return next ? declaredAt(next, rest, at(value, [key])) : declared;
}

/** The value at a place of a document, own keys only. */
export function at(value: unknown, path: Path): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<PropertyKey, unknown>)[key];
  }
  return here;
}

export interface Setting {
  readonly path: readonly string[];
  readonly declared: Declared;
  readonly isRequired: boolean;
}

/** Every setting that is not a group, in the order of the declaration. */
export function listSettings(root?: Declared): Setting[] {
  return listPlaces(root).filter(({ declared }) => Object.keys(keysOf(declared)).length === 0);
}

/** The same with the groups. */
export function listPlaces(root: Declared = declaredRecipe(), path: readonly string[] = []): Setting[] {
  return Object.entries(keysOf(root)).flatMap(([key, declared]) => {
    const place = [...path, key];
    const isRequired = root.required?.includes(key) ?? false;
    return [{ path: place, declared, isRequired }, ...listPlaces(declared, place)];
  });
}
