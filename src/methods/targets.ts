/** Which layers a method changes and which modules it trains whole, by the names and rules of PEFT. */
import { z } from 'zod';
import { AttuneError } from '../errors/index.ts';
import type { Built, Parameter } from '../models/nn/index.ts';
import { chooses, endsWithName, isExpression } from './pattern.ts';

export const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
export const takesNames = 'a list of names, or one regular expression over the whole path';

/** Keys of every method that changes linear layers. */
export const targetFields = {
  target_modules: names.optional().meta({
    description: 'Linear layers that are changed: ends of their paths, a regular expression, or `all-linear`.',
    takes: takesNames,
    defaultText: "queries and values, under the model's names",
    aliases: ['lora_target', 'lora_target_modules', 'keys', 'lora_attn_modules'],
  }),
  exclude_modules: names.optional().meta({
    description: 'Layers that `target_modules` names but that stay as they are.',
    takes: takesNames,
    defaultText: 'none',
  }),
  modules_to_save: z
    .array(z.string().min(1))
    .optional()
    .meta({
      description: "Modules that are trained whole and saved too. The task's head always is.",
      defaultText: 'the head',
      aliases: ['lora_modules_to_save', 'additional_target'],
    }),
};

export type Targets = string | readonly string[];
export interface Choice {
  readonly target_modules?: Targets | undefined;
  readonly exclude_modules?: Targets | undefined;
  readonly modules_to_save?: readonly string[] | undefined;
}

interface Place {
  readonly path: string;
  readonly head: boolean;
  /** It scores the tokens of the vocabulary: changed only where it is named. */
  readonly vocabulary?: boolean;
}

const ALL_LINEAR = 'all-linear';

export interface Targeting {
  /** Whether a layer is changed. Asked for each linear layer, and for the module of each bias. */
  isTarget(place: Place): boolean;
  /** Whether the embeddings of the text are changed: only where they are named, and by methods that can. */
  isTable(path: string): boolean;
  /** Whether a weight belongs to a module that is trained whole: one of `modules_to_save`, or the head. */
  isWhole(parameter: Pick<Parameter, 'name' | 'head'>): boolean;
  /** Names that match nothing are mistakes: the run would train less than was asked for, or nothing. */
  refuseIdle(built: Built, reaches?: 'linear' | 'linear and embeddings'): void;
}

export function targeting(choice: Choice, defaults: readonly string[], norms: readonly string[]): Targeting {
  const targets = choice.target_modules ?? defaults;
  const isTarget = ({ path, head, vocabulary = false }: Place): boolean => {
    if (head || isSaved(choice, `${path}.weight`)) return false;
    // A norm's bias is asked for too: `.*` reaches it, and nothing is added to a norm.
    if (chooses(norms, path)) return false;
    if (choice.exclude_modules !== undefined && chooses(choice.exclude_modules, path)) return false;
    return targets === ALL_LINEAR ? !vocabulary : chooses(targets, path);
  };
  return {
    isTarget,
    isTable: (path) => targets !== ALL_LINEAR && isTarget({ path, head: false }),
    isWhole: ({ name, head }) => head || isSaved(choice, name),
    refuseIdle(built, reaches = 'linear') {
      const reachable = [...pathsOf(built), ...(reaches === 'linear' ? [] : built.embeddings)];
      refuseIdleTargets(targets, reachable);
      refuseNoExpression(choice.exclude_modules, 'method.exclude_modules');
      refuseIdleModules(choice, built);
      if (!reachable.some((path) => isTarget({ path, head: false }))) throw noneLeft(choice);
    },
  };
}

/** Whether a weight lies in one of `modules_to_save`, or in a module inside of it. */
export function isSaved({ modules_to_save: saved }: Pick<Choice, 'modules_to_save'>, name: string): boolean {
  const parents = name.split('.').map((_, i, all) => all.slice(0, i).join('.'));
  return saved?.some((module) => parents.some((parent) => parent !== '' && endsWithName(parent, module))) ?? false;
}

function noneLeft({ exclude_modules: excluded, modules_to_save: saved = [] }: Choice): AttuneError {
  const [where, problem] =
    excluded === undefined
      ? ['method.modules_to_save', `${saved.join(', ')} is trained whole, and target_modules names no layer beside it`]
      : ['method.exclude_modules', 'it leaves none of the layers that target_modules names'];
  return new AttuneError({ code: 'CONFIG_INVALID', where, problem, fix: 'name fewer there, or other target_modules' });
}

/** A layer that was to stay as it is would be changed without a word. PEFT warns of it, so saved adapters may have such names. */
export function refuseIdleExclusions({ exclude_modules: excluded }: Choice, { linears, embeddings }: Built): void {
  const paths = [...linears.map(({ path }) => path), ...embeddings];
  const idle = wantedOf(excluded).find((one) => !paths.some((path) => chooses(one, path)));
  if (idle !== undefined) throw nothingChosen('method.exclude_modules', idle, paths);
}

/** Each by itself: one expression, or the names of a list. */
export const wantedOf = (targets: Targets = []): Targets[] =>
  typeof targets === 'string' ? [targets] : targets.map((name) => [name]);

export function refuseNoExpression(targets: Targets | undefined, where: string): void {
  if (typeof targets !== 'string' || targets === ALL_LINEAR || isExpression(targets)) return;
  const problem = `'${targets}' is no regular expression`;
  const fix = 'correct it, or give a list of names: [query, value]';
  throw new AttuneError({ code: 'CONFIG_INVALID', where, problem, fix });
}

function refuseIdleTargets(targets: Targets, paths: readonly string[]): void {
  refuseNoExpression(targets, 'method.target_modules');
  const fits = (one: Targets): boolean => one === ALL_LINEAR || paths.some((path) => chooses(one, path));
  const idle = wantedOf(targets).find((one) => !fits(one));
  if (idle === undefined) return;
  const where = 'method.target_modules';
  if (idle[0] === ALL_LINEAR) throw noMatch(where, ALL_LINEAR, `write it alone and without brackets: ${ALL_LINEAR}`);
  throw nothingChosen(where, idle, paths);
}

export function refuseIdleModules(
  { modules_to_save: saved }: Pick<Choice, 'modules_to_save'>,
  { parameters }: Built,
): void {
  // The head of a tied embedding is a name of the embedding, which has to be there too: tying.ts.
  const unsaved = saved?.find(
    (module) =>
      !parameters.some(({ name, alsoNamed = name }) =>
        [name, alsoNamed].some((one) => isSaved({ modules_to_save: [module] }, one)),
      ),
  );
  const modules = parameters.map(({ name }) => moduleOf(name));
  if (unsaved !== undefined) throw nothing('method.modules_to_save', unsaved, modules);
}

const pathsOf = ({ linears }: Built): string[] => linears.filter(({ head }) => !head).map(({ path }) => path);

export const moduleOf = (name: string): string => name.slice(0, name.lastIndexOf('.'));

/** What to write in place of a text that is the end of a path; undefined where it is none. */
export function asName(wanted: Targets | undefined, paths: readonly string[]): string | undefined {
  if (typeof wanted !== 'string' || !paths.some((path) => endsWithName(path, wanted))) return undefined;
  const expression = String.raw`.*\.${wanted.replaceAll('.', String.raw`\.`)}`;
  return `write [${wanted}], or '${expression}': a text is one regular expression over the whole path`;
}

/** One expression, or the name of a list, that fits none of the paths. */
export function nothingChosen(where: string, wanted: Targets, paths: readonly string[]): AttuneError {
  if (typeof wanted !== 'string') return nothing(where, String(wanted), paths);
  const list = `${listed(paths)} (a text is one regular expression over the whole path)`;
  return noMatch(where, wanted, asName(wanted, paths) ?? list);
}

export const nothing = (where: string, name: string, paths: readonly string[]): AttuneError =>
  noMatch(where, name, `${listed(paths)} (the end of a path is enough)`);

const listed = (paths: readonly string[]): string =>
  `there is: ${[...new Set(paths.map((path) => path.replace(/\.\d+\./g, '.N.')))].join(', ')}`;

const noMatch = (where: string, name: string, fix: string): AttuneError =>
  new AttuneError({ code: 'CONFIG_INVALID', where, problem: `'${name}' matches nothing`, fix });
