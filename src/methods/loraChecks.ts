/** Wishes of LoRA and its kin that choose nothing, or could mean two things: they are mistakes. */
import { AttuneError } from '../errors/index.ts';
import type { Built } from '../models/nn/index.ts';
import type { LoraSettings, LowRankSettings } from './lora.ts';
import { patternValue } from './pattern.ts';
import { startsInWeight } from './starts/loraInit.ts';
import { nothing, type Targeting } from './targets.ts';

type Reach = Parameters<Targeting['refuseIdle']>[1];

export function refuseIdle(given: LowRankSettings, places: Targeting, built: Built, reaches: Reach): void {
  places.refuseIdle(built, reaches);
  const tables = reaches === 'linear' ? [] : built.embeddings.filter(places.isTable);
  const targeted = [...built.linears.filter(places.isTarget).map(({ path }) => path), ...tables];
  for (const map of ['rank_pattern', 'alpha_pattern'] as const) checkPattern(given[map], `method.${map}`, targeted);
  if (tables.length === 0 || (startsInWeight(given.init ?? 'default') === false && !given.loraplus_lr_ratio)) return;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'method.target_modules',
    problem: `${tables[0]} is an embedding, which has no LoRA+ and no start in its weight`,
    fix: 'leave it out, or remove loraplus_lr_ratio and init',
  });
}

/**
 * A matrix has no more directions than its shorter side is long: OLoRA finds no others, and others of PiSSA and LoftQ would be
 * zeros that never learn. Layers that LoftQ leaves out start as usual, with any rank.
 */
export function refuseWideRank(given: LoraSettings, { linears, parameters }: Built, { isTarget }: Targeting): void {
  const replaced = new Set(parameters.flatMap((parameter) => (parameter.replaced ? parameter.name : [])));
  const starts = ({ path }: { readonly path: string }): boolean =>
    startsInWeight(given.init) || replaced.has(`${path}.weight`);
  for (const { path, shape } of linears.filter(isTarget).filter(starts)) {
    const rank = patternValue(given.rank_pattern, path) ?? given.r;
    const most = Math.min(...shape);
    if (rank <= most) continue;
    const problem = `${given.init} starts from directions of ${path}, which has ${most}, and the rank is ${rank}`;
    throw new AttuneError({ code: 'CONFIG_INVALID', where: 'method.r', problem, fix: `give at most ${most}` });
  }
}

/** LoftQ makes up for rounding: where nothing is rounded it would be the usual start under another name. */
export function refuseIdleLoftQ(given: LoraSettings, places: Targeting, { linears, parameters }: Built): void {
  const refuse = (where: string, problem: string, fix: string): never => {
    throw new AttuneError({ code: 'CONFIG_INVALID', where: `method.${where}`, problem, fix });
  };
  if (given.init !== 'loftq') {
    if (given.loftq_iter !== undefined) refuse('loftq_iter', `init is ${given.init}`, 'give init: loftq, or remove it');
    return;
  }
  if (given.base_precision === 'fp32') {
    refuse(
      'init',
      'loftq starts from what rounding loses, and a base in fp32 is not rounded',
      'give base_precision: int4',
    );
  }
  const names = new Set(linears.filter(places.isTarget).map(({ path }) => `${path}.weight`));
  const weights = parameters.filter(({ name }) => names.has(name));
  if (weights.some(({ replaced }) => replaced)) return;
  const isOwn = weights.some(({ stored }) => stored?.own);
  const reason = isOwn
    ? 'the file keeps these weights in 4 bits already, and they stay as they are'
    : 'in 4 bits a matrix must be made of blocks of 32 both ways, and these are not';
  refuse('init', `loftq has nothing to make up for: ${reason}`, 'remove init');
}

/** Of two keys that fit one layer PEFT takes the first, and sorts them when it saves: such a pair is refused. */
function checkPattern(map: Readonly<Record<string, number>>, where: string, paths: readonly string[]): void {
  const keys = Object.keys(map);
  const fits = (key: string, path: string): boolean => patternValue({ [key]: 1 }, path) !== undefined;
  const idle = keys.find((key) => !paths.some((path) => fits(key, path)));
  if (idle !== undefined) throw nothing(where, idle, paths);
  for (const path of paths) {
    const [first, second] = keys.filter((key) => fits(key, path));
    if (second === undefined || map[first!] === map[second]) continue;
    const problem = `'${first}' and '${second}' both fit ${path}, with other values`;
    throw new AttuneError({ code: 'CONFIG_INVALID', where, problem, fix: 'make the keys exclude each other' });
  }
}
