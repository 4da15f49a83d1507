/** IA³: which layers have factors of their inputs. PEFT asks that they are named among `target_modules`, word for word. */
import type { NamedTensor } from '../../../files/index.ts';
import type { PeftConfig } from './forms.ts';

type Names = string | readonly string[];

/** `feedforward_modules` for these tensors, and `target_modules` where its names do not tell inputs from outputs. */
export function feedforwardFields(config: PeftConfig, tensors: readonly NamedTensor[]): PeftConfig {
  const [targets, wanted] = [config['target_modules'] as Names, config['feedforward_modules'] as Names];
  const factors = tensors.filter(({ name }) => name.endsWith('.ia3_l'));
  const adapted = factors.map(pathOf);
  const ends = factors.filter(({ shape }) => shape[0] === 1).map(pathOf);
  if (ends.length === 0) return { feedforward_modules: [] };
  if (typeof wanted === 'string') return {};
  // PEFT compares the end of a path letter by letter here.
  const areEnds = (names: readonly string[]): boolean =>
    adapted.every((path) => ends.includes(path) === names.some((name) => path.endsWith(name)));
  const areTargets = (names: readonly string[]): boolean =>
    typeof targets === 'string' || names.every((name) => targets.includes(name));
  const entries = typeof targets === 'string' ? [] : targets.filter((name) => choosesOnly(ends, { name, adapted }));
  const named = [wanted, entries].find((names) => areTargets(names) && areEnds(names));
  if (named) return { feedforward_modules: named };
  return { ...(typeof targets !== 'string' && { target_modules: adapted }), feedforward_modules: ends };
}

const pathOf = ({ name }: NamedTensor): string => name.slice(0, -'.ia3_l'.length);

function choosesOnly(
  ends: readonly string[],
  { name, adapted }: { name: string; adapted: readonly string[] },
): boolean {
  const chosen = adapted.filter((path) => path.endsWith(name));
  return chosen.length > 0 && chosen.every((path) => ends.includes(path));
}
