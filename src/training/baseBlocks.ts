/** The blocks of a base's file are those of its config.json: what neither has a place for changes what it answers. */
import { AttuneError } from '../errors/index.ts';
import type { Architecture } from '../models/index.ts';

interface Base {
  readonly names: readonly string[];
  readonly where: string;
}

/** `known`: the names in the file that parameters have. */
export function refuseInBlocks(
  known: ReadonlySet<string>,
  base: Base,
  architecture: Pick<Architecture, 'languageModel'>,
): void {
  refuseMoreBlocks(known, base);
  // Encoders keep in their files what other tasks read; a decoder's blocks are the same for all of them.
  if (architecture.languageModel) refuseWithoutPlace(known, base);
}

/** A config that names fewer blocks than there are weights for would leave out the upper ones in silence. */
function refuseMoreBlocks(known: ReadonlySet<string>, base: Base): void {
  const left = base.names.find((name) => {
    const { stack, rest } = inBlock(name) ?? {};
    return !known.has(name) && stack !== undefined && known.has(`${stack}.0.${rest}`);
  });
  if (left === undefined) return;
  throw new AttuneError({
    code: 'MODEL_WEIGHTS',
    where: base.where,
    problem: `its tensor '${left}' is of a block beyond those that config.json has`,
    fix: 'use weights that belong to this config.json',
  });
}

/** A bias or a norm that the checkpoint was trained with and the model does not read would be left out in silence. */
function refuseWithoutPlace(known: ReadonlySet<string>, base: Base): void {
  const stacks = new Set([...known].map((name) => inBlock(name)?.stack));
  const left = base.names.find((name) => {
    const block = inBlock(name);
    return block !== undefined && stacks.has(block.stack) && !known.has(name) && !unread.test(name);
  });
  if (left === undefined) return;
  const fields = ['`model_type`', ...deciding.filter(([names]) => names.test(left)).map(([, field]) => `\`${field}\``)];
  throw new AttuneError({
    code: 'MODEL_WEIGHTS',
    where: base.where,
    problem: `config.json gives the model no place for its tensor '${left}'`,
    fix: `use the config.json that these weights came with; look there at ${fields.join(' and ')}`,
  });
}

/** Buffers that older checkpoints carry: angles of positions, and GPT-2's mask. */
const unread = /\.rotary_emb\.|\.attn\.(?:masked_)?bias$/;

/** Fields of config.json that decide whether a block has a tensor, beside `model_type`. */
const deciding: readonly (readonly [RegExp, string])[] = [
  [/\.[qkvo]_proj\.bias$/, 'attention_bias'],
  [/\.(?:gate|up|down)_proj\.bias$/, 'mlp_bias'],
];

function inBlock(name: string): { readonly stack: string; readonly rest: string } | undefined {
  const [, stack, rest] = /^(.*?)\.\d+\.(.*)$/.exec(name) ?? [];
  return stack === undefined ? undefined : { stack, rest: rest! };
}
