/** `modules_to_save` as PEFT reads it: it compares the end of a path letter by letter, `norm` with `input_layernorm` too. */
import { endsWithName } from '../../../methods/pattern.ts';
import type { Parameter } from '../../../models/nn/index.ts';

export type Weight = Pick<Parameter, 'name' | 'added' | 'alsoNamed'>;

/** The names as they are; whole paths where PEFT would save other modules, too. */
export function savedModules(names: readonly string[], weights: readonly Weight[]): string[] {
  const modules = modulesOf(weights.filter(({ added }) => !added).map(({ name }) => name));
  return names.flatMap((name) =>
    alsoEnding(modules, name).length > 0 ? modules.filter((path) => endsWithName(path, name)) : [name],
  );
}

/** The names that PEFT gave, and whole paths of the other modules that it saved under them. */
export function readModules(names: readonly string[], tensors: readonly string[]): string[] {
  const whole = tensors.filter((name) => /\.(weight|bias)$/.test(name) && !/\.(lora|ia3|vera)_/.test(name));
  const modules = modulesOf(whole);
  return [...new Set([...names, ...names.flatMap((name) => alsoEnding(modules, name))])];
}

/** What PEFT takes for the same, though the name is but the end of a longer one. */
const alsoEnding = (modules: readonly string[], name: string): string[] =>
  modules.filter((path) => path.endsWith(name) && !endsWithName(path, name));

/** Whatever of the model has weights, and what that lies in. */
function modulesOf(weights: readonly string[]): string[] {
  const paths = weights.flatMap((name) => {
    const parts = name.split('.').slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join('.'));
  });
  return [...new Set(paths)];
}
