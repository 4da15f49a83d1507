/** A LoRA as AdapterHub's library has it: one rank, one scale, and the same matrices in each block that has any. */
import { AttuneError } from '../../../errors/index.ts';
import type { NamedTensor } from '../../../files/index.ts';
import { type LoraSettings, rankAndScale } from '../../../methods/lora.ts';
import type { Fields } from './checks.ts';
import { threefold } from './fused.ts';
import type { HubPlaces } from './places.ts';

export interface LoraSaved {
  readonly method: LoraSettings;
  /** Without the head. */
  readonly tensors: readonly NamedTensor[];
  readonly places: HubPlaces;
  /** Number of the model's blocks. */
  readonly blocks: number;
}

/** `config` and the tensors under our names. Throws where the library could not say the same. */
export function hubLora(saved: LoraSaved): { readonly config: Fields; readonly tensors: readonly NamedTensor[] } {
  const { method, tensors, places } = saved;
  const foreign = tensors.find(({ name }) => !/\.lora_[AB]\.weight$/.test(name));
  if (foreign) throw cannotWrite(`it has no place for '${foreign.name}'`);
  const paths = tensors.flatMap(({ name }) => /^(.*)\.lora_A\.weight$/.exec(name)?.[1] ?? []);
  const { parts, without } = coverage(paths, saved);
  const letters = parts.has('fused') ? ['q', 'k', 'v'] : ['q', 'k', 'v'].filter((letter) => parts.has(letter));
  const config = {
    architecture: 'lora',
    selfattn_lora: letters.length > 0,
    intermediate_lora: parts.has('intermediate'),
    output_lora: parts.has('output'),
    leave_out: without,
    attn_matrices: letters,
    ...oneProduct(method, paths),
    dropout: method.lora_dropout,
    ...unused,
  };
  const isShared = (name: string): boolean => !!places.fused && name.endsWith(`${places.fused}.lora_A.weight`);
  return { config, tensors: tensors.map((tensor) => (isShared(tensor.name) ? shared(tensor) : tensor)) };
}

/** What the library would take for these, too. */
const unused = {
  composition_mode: 'add',
  init_weights: 'lora',
  init_weights_seed: null,
  use_gating: false,
  use_dora: false,
  vera_d: null,
  vera_b: null,
  dtype: null,
};

function shared(tensor: NamedTensor): NamedTensor {
  const [rank, width] = tensor.shape as [number, number];
  return { ...tensor, shape: [3 * rank, width], data: threefold(tensor.data as Float32Array) };
}

/** The rank and alpha of all layers. */
function oneProduct(method: LoraSettings, paths: readonly string[]): { readonly r: number; readonly alpha: number } {
  const products = paths.map((path) => rankAndScale(method, path));
  const [{ rank, scale }] = products as [{ rank: number; scale: number }];
  const other = products.findIndex((product) => product.rank !== rank || product.scale !== scale);
  if (other === -1) return { r: rank, alpha: scale * rank };
  throw cannotWrite(`it has one rank and one scale for all layers, and those of '${paths[other]}' are others`);
}

/** Which parts are adapted, and the blocks in which none is. */
function coverage(paths: readonly string[], { places, blocks }: LoraSaved) {
  const found = paths.map((path) => ({ part: partOf(path, places), block: blockOf(path, places) }));
  const parts = new Set(found.map(({ part }) => part));
  const present = new Set(found.map(({ block }) => block));
  const without = Array.from({ length: blocks }, (_, block) => block).filter((block) => !present.has(block));
  if (paths.length === parts.size * present.size) return { parts, without };
  throw cannotWrite('it adapts the same matrices in each block that has any, and these are others');
}

function partOf(path: string, { layers, fused }: HubPlaces): string {
  if (fused && path.endsWith(`.${fused}`)) return 'fused';
  const part = Object.entries(layers).find(([, end]) => new RegExp(String.raw`\.${end}$`).test(path))?.[0];
  if (part) return part;
  throw cannotWrite(`it has no place for a LoRA at '${path}'`);
}

const blockOf = (path: string, { blocks }: HubPlaces): number =>
  Number(new RegExp(String.raw`\.${blocks}\.(\d+)\.`).exec(path)?.[1]);

const cannotWrite = (problem: string): AttuneError =>
  new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: '--to adapterhub',
    problem: `AdapterHub's library cannot hold this adapter: ${problem}`,
    fix: 'export it --to peft, or write the whole model with --to hf',
  });
