import type { Values } from '../../engine/runtime/index.ts';
import type { Stack } from './byRow.ts';
import type { Parts } from './parts.ts';

/** The arrays of some adapters as a graph is fed them, in this order. */
export const stackParts = (stacks: ReadonlyMap<string, Stack>, adapters: readonly Parts[]): Values =>
  Object.fromEntries([...stacks].map(([name, stack]) => [name, stacked(stack, adapters, name)]));

/** An adapter with a smaller rank fills the beginning of its place. */
function stacked({ shape, fill }: Stack, adapters: readonly Parts[], name: string): Values[string] {
  const [, lead, ...rest] = shape;
  const unit = rest.reduce<number>((product, size) => product * (size as number), 1);
  const lengths = adapters.map((parts) => parts.get(name)?.length ?? 0);
  // Never without a place: ONNX Runtime's Reshape does not take sizes of 0.
  const size = typeof lead === 'number' ? lead : Math.max(1, ...lengths.map((length) => length / unit));
  const whole = { dtype: 'float32', shape: [adapters.length, size, ...(rest as number[])] } as const;
  const [only] = adapters.length === 1 ? [adapters[0]!.get(name)] : [];
  if (only?.length === size * unit) return { ...whole, data: only };
  const data = new Float32Array(adapters.length * size * unit);
  if (fill !== 0) data.fill(fill);
  adapters.forEach((parts, i) => {
    const own = parts.get(name);
    if (own) data.set(own, i * size * unit);
  });
  return { ...whole, data };
}
