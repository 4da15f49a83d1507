/** LoRA's settings from AdapterHub's adapter_config.json. */
import { z } from 'zod';
import { type MethodSettings, methods } from '../../../methods/index.ts';
import { checked, type Fields, type HubConfig, refuseOther } from './checks.ts';
import { type HubPlaces, type LoraPart, requirePlaces } from './places.ts';

const plainLora = {
  composition_mode: 'add',
  use_gating: false,
  dtype: null,
  vera_d: null,
  vera_b: null,
  use_dora: false,
} as const;

/** The library's defaults where a field is left out. */
const loraFields = z.object({
  config: z.looseObject({
    r: z.int().min(1),
    alpha: z.number().positive(),
    dropout: z.number().min(0).lt(1).default(0),
    attn_matrices: z.array(z.enum(['q', 'k', 'v'])).default(['q', 'v']),
    selfattn_lora: z.boolean().default(true),
    intermediate_lora: z.boolean().default(false),
    output_lora: z.boolean().default(false),
    leave_out: z.array(z.int().min(0)).default([]),
  }),
});

/** The letters of matrices, in the order in which a layer of all three has them. */
export const attentionLetters = (config: Fields): LoraPart[] => {
  const given = (config['attn_matrices'] ?? ['q', 'v']) as readonly unknown[];
  return config['selfattn_lora'] === false ? [] : (['q', 'k', 'v'] as const).filter((letter) => given.includes(letter));
};

export function loraSettings(file: HubConfig, where: string): MethodSettings {
  refuseOther(file.config, plainLora, where);
  const { version, model_type } = file;
  const { config } = checked(loraFields, file, where);
  const places = requirePlaces(model_type, where);
  const { r, alpha, dropout, leave_out: without } = config;
  // Before 1.1.0 `adapters` left alpha out of the product; the library of another name that came before it did not.
  const used = isBefore(version, [1, 1]) ? r : alpha;
  return methods.lora.settings.parse({
    name: 'lora',
    r,
    lora_alpha: used,
    lora_dropout: dropout,
    target_modules: `.*\\.(${targetsOf(config, places).join('|')})`,
    ...(without.length > 0 && { exclude_modules: inBlocks(places, without) }),
    ...fusedRank(config, places, { r, alpha: used }),
  });
}

const inBlocks = ({ blocks }: HubPlaces, numbers: readonly number[]): string =>
  String.raw`.*\.${blocks}\.(${numbers.join('|')})\..*`;

function targetsOf(config: Fields, { layers, fused }: HubPlaces): string[] {
  const letters = attentionLetters(config);
  const attention = fused && letters.length > 0 ? [fused.replaceAll('.', String.raw`\.`)] : letters;
  const ends = (['intermediate', 'output'] as const).filter((part) => config[`${part}_lora`]);
  return [...attention, ...ends].map((part) => layers[part as LoraPart] ?? part);
}

/** Each of several matrices in one layer has a product of rank r: together they are one of a multiple. */
function fusedRank(config: Fields, { fused }: HubPlaces, { r, alpha }: { r: number; alpha: number }) {
  const count = attentionLetters(config).length;
  if (!fused || count < 2) return {};
  return { rank_pattern: { [fused]: count * r }, alpha_pattern: { [fused]: count * alpha } };
}

function isBefore(version: unknown, [major, minor]: readonly [number, number]): boolean {
  const found = /^adapters\.(\d+)\.(\d+)/.exec(String(version));
  if (!found) return false;
  const [first, second] = found.slice(1).map(Number) as [number, number];
  return first < major || (first === major && second < minor);
}
