/** The plain model that a fine-tuned one comes to: what methods added is folded into the weights of linear layers. */
import { leaves } from '../engine/graph/index.ts';
import type { OpenSession } from '../engine/runtime/index.ts';
import { AttuneError } from '../errors/index.ts';
import type { NamedTensor } from '../files/index.ts';
import type { Program } from '../models/nn/index.ts';
import { type ParameterMemory, parameterValues, valuesOf } from '../training/index.ts';

export interface FloatTensor extends NamedTensor {
  readonly dtype: 'float32';
  readonly data: Float32Array;
}

export interface MergeOptions {
  readonly memory: ParameterMemory;
  readonly open: OpenSession;
  readonly threads: number;
}

/**
 * Every weight of the model without methods. Those that nothing was added to are the arrays of the memory; what is kept in
 * fewer bits becomes the numbers that these stand for.
 */
export async function mergedTensors(program: Program<unknown>, options: MergeOptions): Promise<FloatTensor[]> {
  refuseUnmergeable(program);
  const computed = await computeMerged(program, options);
  return program.parameters
    .filter(({ parameter }) => !parameter.added)
    .map(({ parameter: { name, shape } }) => {
      const data = computed.get(name) ?? valuesOf(options.memory, name);
      return { name, dtype: 'float32', shape, data };
    });
}

/**
 * An addition that is in no merged weight, and in none that was replaced, would be left out in silence; one to embeddings
 * that score tokens too would change these scores.
 */
function refuseUnmergeable({ parameters, merged, tied }: Program<unknown>): void {
  const twice = [...merged.keys()].find((name) => tied.has(name));
  if (twice !== undefined) throw readTwice(twice);
  const worked = parameters.flatMap(({ parameter }) => parameter.replaced?.from ?? []);
  const folded = new Set([...leaves([...merged.values()]).map(({ name }) => name), ...worked]);
  const left = parameters.find(({ parameter: { name, added } }) => added && !folded.has(name));
  if (!left) return;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: left.parameter.name,
    problem: 'what its method adds cannot be folded into the weights of the model',
    fix: 'use the run with Attune, or train with a method whose additions can be merged, such as lora',
  });
}

const readTwice = (where: string): AttuneError =>
  new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where,
    problem:
      'the model scores tokens with these embeddings too, and what was added to them is meant for the text alone',
    fix: 'use the run with Attune or PEFT, or train with target_modules that leave the embeddings out',
  });

/** A session's outputs may not have the names of its inputs. */
const outputName = (parameter: string): string => `merged.${parameter}`;

async function computeMerged(program: Program<unknown>, { memory, open, threads }: MergeOptions) {
  const unpacked = program.parameters.flatMap(({ parameter: { name, stored } }) => {
    return stored ? [[name, stored.asKept] as const] : [];
  });
  const computed = new Map([...unpacked, ...program.merged]);
  if (computed.size === 0) return new Map<string, Float32Array>();
  const outputs = Object.fromEntries([...computed].map(([name, tensor]) => [outputName(name), tensor]));
  await using session = await open(outputs, { threads });
  const results = await session.run(parameterValues(program, memory));
  return new Map([...computed.keys()].map((name) => [name, results[outputName(name)]!.data as Float32Array]));
}

/** What other programs read in place of the trained parameters; undefined where they read these. */
export async function exportedTensors(
  program: Program<unknown>,
  options: MergeOptions,
): Promise<FloatTensor[] | undefined> {
  const { exported, parameters } = program;
  if (exported.size === 0) return undefined;
  const outputs = Object.fromEntries([...exported].map(([name, tensor]) => [`exported.${name}`, tensor]));
  await using session = await options.open(outputs, { threads: options.threads });
  const results = await session.run(parameterValues(program, options.memory));
  const made = [...exported].map(([name, { shape }]): FloatTensor => {
    const data = results[`exported.${name}`]!.data as Float32Array;
    return { name, dtype: 'float32', shape: shape as number[], data };
  });
  const kept = parameters.filter(({ parameter: { trainable, added } }) => trainable && !added);
  const own = kept.map(({ parameter: { name, shape } }): FloatTensor => {
    return { name, dtype: 'float32', shape, data: valuesOf(options.memory, name) };
  });
  return [...own, ...made];
}
