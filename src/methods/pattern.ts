/** How settings name parts of a model, by the rules of PEFT. */

/** The end of a path, on whole names: `query`, `attention.self.query`. */
export const endsWithName = (path: string, name: string): boolean => path === name || path.endsWith(`.${name}`);

/** Names somewhere in a path, whole ones: `output.dense` in `encoder.layer.0.output.dense.weight`. */
export const holdsName = (path: string, name: string): boolean => `.${path}.`.includes(`.${name}.`);

/** Whether a tensor is one of these modules'. */
export const liesIn = (modules: readonly string[], name: string): boolean =>
  modules.some((module) => name.startsWith(`${module}.`));

/** A regular expression over the whole path; undefined where the text is none. */
function wholePath(text: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${text})$`);
  } catch {
    return undefined;
  }
}

export const isExpression = (text: string): boolean => wholePath(text) !== undefined;

/** A text as a regular expression over all of a name. */
export const matchesWhole = (pattern: string, name: string): boolean => wholePath(pattern)?.test(name) ?? false;

/** Module paths that a list of names, or one regular expression, chooses. */
export const chooses = (wanted: string | readonly string[], path: string): boolean =>
  typeof wanted === 'string' ? matchesWhole(wanted, path) : wanted.some((name) => endsWithName(path, name));

/** The first key of a pattern map that fits: a name, or a regular expression, at the end of the path. */
export function patternValue(map: Readonly<Record<string, number>>, path: string): number | undefined {
  const key = Object.keys(map).find((pattern) => wholePath(`(?:.*\\.)?(?:${pattern})`)?.test(path));
  return key === undefined ? undefined : map[key];
}
