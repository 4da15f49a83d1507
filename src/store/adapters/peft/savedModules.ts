/** `modules_to_save` as PEFT reads it: it compares the end of a path letter by letter, `norm` with `input_layernorm` too. */
import { endsWithName } from '../../../methods/pattern.ts';
import type { Parameter } from '../../../models/nn/index.ts';

export type Weight = Pick<Parameter, 'name' | 'added' | 'alsoNamed'>;

/** The names as they are; whole paths where PEFT would save other modules, too. */
export function savedModules(names: readonly string[], weights: readonly Weight[]): string[] {
  const modules = modulesOf(weights);
  return names.flatMap((name) => {
    const own = modules.filter((path) => endsWithName(path, name));
    return modules.some((path) => path.endsWith(name) && !own.includes(path)) ? own : [name];
  });
}

/** Whatever of the model has weights, and what that lies in. */
function modulesOf(weights: readonly Weight[]): string[] {
  const paths = weights.flatMap(({ name, added }) => {
    const parts = added ? [] : name.split('.').slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join('.'));
  });
  return [...new Set(paths)];
}
