/**
 * An adapter as MLX-LM saves it: adapters.safetensors with A [in, r] and B [r, out], turned against PEFT's, and an
 * adapter_config.json whose `scale` is the whole factor of the product, α/r.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AttuneError } from '../../../errors/index.ts';
import { type Checkpoint, joinFiles, safetensorsChunks } from '../../../files/index.ts';
import { joinOpened } from '../../../files/joinOpened.node.ts';
import { type MethodSettings, methods } from '../../../methods/index.ts';
import { writeDurably, writeJson } from '../../runs/atomic.node.ts';
import { otherForms } from '../otherForms.ts';
import { wrongField } from '../wrongField.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapters.safetensors';

export interface MlxConfig {
  readonly fine_tune_type?: string;
  readonly lora_parameters: unknown;
  readonly model?: unknown;
}

/** The file has the name that PEFT gives its own: only the fields tell one from the other. */
export const isMlxConfig = (value: unknown): value is MlxConfig =>
  typeof value === 'object' && value !== null && 'lora_parameters' in value && !('peft_type' in value);

/** Last parts of names: theirs, ours, and whether they are turned. */
const parts = [
  { mlx: 'lora_a', own: 'lora_A.weight', isTurned: true },
  { mlx: 'lora_b', own: 'lora_B.weight', isTurned: true },
  { mlx: 'm', own: 'lora_magnitude_vector', isTurned: false },
] as const;

const ownName = (stored: string): string | undefined => {
  const part = parts.find(({ mlx }) => stored.endsWith(`.${mlx}`));
  return part && `${stored.slice(0, -part.mlx.length)}${part.own}`;
};
const isTurned = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

const fields = z.object({
  lora_parameters: z.object({
    rank: z.int().positive(),
    scale: z.number().positive(),
    dropout: z.number().min(0).lt(1).default(0),
  }),
});

/** The settings that a folder was made with: its layers are those that have tensors. */
export async function settingsFromMlx(folder: string, config: MlxConfig): Promise<MethodSettings> {
  const where = join(folder, CONFIG);
  const { fine_tune_type: name = 'lora' } = config;
  if (name !== 'lora' && name !== 'dora') throw cannotOpen(where, `fine_tune_type is ${JSON.stringify(name)}`);
  const { success, data, error } = fields.safeParse(config);
  if (!success) throw wrongField(config, error.issues[0]!, where);
  const { rank, scale, dropout } = data.lora_parameters;
  const checkpoint = await openMlxFolder(folder);
  await checkpoint.close();
  const layers = checkpoint.names.flatMap((tensor) => /^(.*)\.lora_A\.weight$/.exec(tensor)?.[1] ?? []);
  const read = { name, r: rank, lora_alpha: scale * rank, lora_dropout: dropout, target_modules: layers };
  const parsed = methods[name].settings.safeParse(read);
  if (parsed.success) return parsed.data;
  throw cannotOpen(where, parsed.error.issues[0]!.message);
}

/** Tensors under our names, as we keep them. */
export async function openMlxFolder(folder: string): Promise<Checkpoint> {
  const where = join(folder, WEIGHTS);
  if (!existsSync(where)) throw cannotOpen(where, 'it is not there');
  const stored = await joinOpened([where], ([file]) => {
    const foreign = [...file!.tensors.keys()].find((name) => ownName(name) === undefined);
    if (foreign !== undefined) throw cannotOpen(where, `it has a tensor '${foreign}'`);
    return joinFiles([file!], ownName);
  });
  return {
    ...stored,
    shapeOf(name) {
      const shape = stored.shapeOf(name);
      return isTurned(name) ? shape?.toReversed() : shape;
    },
    async readFloats(name, into) {
      const values = await stored.readFloats(name);
      const turned = isTurned(name) ? transposed(values, stored.shapeOf(name)![0]!) : values;
      if (!into) return turned;
      into.set(turned);
      return into;
    },
  };
}

function transposed(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
}

interface FloatTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface MlxSaved {
  readonly method: MethodSettings;
  readonly baseName: string;
  /** A plain LoRA or DoRA, without a start in the weights. */
  readonly tensors: readonly FloatTensor[];
  /** Number of the model's blocks. */
  readonly blocks: number;
  /** Fields of the folder that this one is written from: those that have no setting here stay. */
  readonly kept?: MlxConfig | undefined;
}

/** Fills an empty folder; throws where MLX-LM could not say the same. */
export async function writeMlxFolder(folder: string, saved: MlxSaved): Promise<void> {
  const { method, baseName, tensors, kept } = saved;
  if (method.name !== 'lora' && method.name !== 'dora')
    throw cannotWrite(method, `it has no method like '${method.name}'`);
  const foreign = tensors.find(({ name }) => !parts.some(({ own }) => name.endsWith(`.${own}`)));
  if (foreign) throw cannotWrite(method, `it has no place for '${foreign.name}'`);
  const { keys, layers } = coverage(saved);
  const ranks = new Set(tensors.filter(({ name }) => name.endsWith('.lora_A.weight')).map(({ shape }) => shape[0]!));
  const [rank, ...others] = ranks;
  if (others.length > 0 || Object.keys(method.alpha_pattern).length > 0) {
    throw cannotWrite(method, 'it has one rank and one scale for all layers');
  }
  const scale = method.lora_alpha / (method.use_rslora ? Math.sqrt(rank!) : rank!);
  const config = {
    ...kept,
    model: baseName,
    fine_tune_type: method.name,
    num_layers: layers,
    lora_parameters: { ...Object(kept?.lora_parameters), rank, scale, dropout: method.lora_dropout, keys },
  };
  const turned = tensors.map(({ name, shape, data }) => {
    const { mlx, own, isTurned: turns } = parts.find((part) => name.endsWith(`.${part.own}`))!;
    const place = `${name.slice(0, -own.length)}${mlx}`;
    if (!turns) return { name: place, dtype: 'float32' as const, shape, data };
    return { name: place, dtype: 'float32' as const, shape: shape.toReversed(), data: transposed(data, shape[0]!) };
  });
  await writeJson(join(folder, CONFIG), config);
  await writeDurably(join(folder, WEIGHTS), safetensorsChunks(turned));
}

/** MLX-LM adapts the same layers in each of the last blocks, and names them once. */
function coverage({ method, tensors, blocks }: MlxSaved): { keys: string[]; layers: number } {
  const found = tensors.flatMap(({ name }) => {
    const [, block, key] = /^model\.layers\.(\d+)\.(.*)\.lora_A\.weight$/.exec(name) ?? [];
    return key === undefined ? [] : [{ block: Number(block), key }];
  });
  const all = tensors.filter(({ name }) => name.endsWith('.lora_A.weight')).length;
  const keys = [...new Set(found.map(({ key }) => key))];
  const layers = blocks - Math.min(...found.map(({ block }) => block));
  if (found.length > 0 && found.length === all && all === keys.length * layers) return { keys, layers };
  throw cannotWrite(method, 'it adapts the same layers in each of the last blocks, and these are others');
}

const cannotOpen = (where: string, found: string): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem: `${found}, which is not read here`,
    fix: 'Attune opens LoRA and DoRA of MLX-LM',
  });

const cannotWrite = (method: MethodSettings, problem: string): AttuneError =>
  new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: '--to mlx',
    problem: `MLX-LM cannot hold this adapter: ${problem}`,
    fix: otherForms('mlx', method),
  });
