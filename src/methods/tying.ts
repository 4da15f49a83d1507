/**
 * Embeddings that score tokens too (`tie_word_embeddings`) are one matrix here. PEFT trains a copy of what `modules_to_save`
 * names, beside the other place as the base has it, unless it is told to tie them.
 */
import { z } from 'zod';
import { AttuneError } from '../errors/index.ts';
import type { Built } from '../models/nn/index.ts';
import type { ModelFacts } from './definition.ts';
import { endsWithName } from './pattern.ts';
import { type Choice, isSaved, moduleOf } from './targets.ts';

/** A key of the methods that PEFT can tie. */
export const tyingField = {
  ensure_weight_tying: z
    .boolean()
    .optional()
    .meta({
      description:
        'An embedding in `modules_to_save` that scores tokens too is trained as one matrix, and PEFT is told so. ' +
        'Without it such an embedding is refused.',
      defaultText: 'false',
    }),
};

export interface Tying extends Choice {
  readonly ensure_weight_tying?: boolean | undefined;
}

interface Known {
  /** Whether the method has the key. */
  readonly canTie: boolean;
  readonly facts: Pick<ModelFacts, 'savedIn' | 'run'>;
}

export function refuseUntied(given: Tying, { parameters }: Built, known: Known): void {
  const isWished = given.ensure_weight_tying === true;
  const tied = parameters.find(({ alsoNamed }) => alsoNamed !== undefined);
  const places = tied && { table: moduleOf(tied.name), head: moduleOf(tied.alsoNamed!) };
  const named = tied ? namesOf(given, [tied.name, tied.alsoNamed!]) : [];
  if (places && named.length > 0) {
    const [table, others] = [named.filter((name) => endsWithName(places.table, name)), named.filter(isNeither(places))];
    if (!isWished || table.length === 0 || others.length > 0) throw untied(others[0] ?? named[0]!, places, known);
  } else if (places && isWished && parameters.some(({ name }) => name === `${places.table}.lora_embedding_A`)) {
    throw tiedAddition(places.table, known);
  } else if (isWished && known.facts.run) throw nothingTied();
}

/** Of an embedding. */
interface Places {
  readonly table: string;
  readonly head: string;
}

const isNeither =
  ({ table, head }: Places) =>
  (name: string): boolean =>
    !endsWithName(table, name) && !endsWithName(head, name);

/** Those of `modules_to_save` in which one of the weights lies. */
const namesOf = ({ modules_to_save: names = [] }: Tying, weights: readonly string[]): string[] =>
  names.filter((name) => weights.some((weight) => isSaved({ modules_to_save: [name] }, weight)));

function untied(name: string, places: Places, { canTie, facts: { savedIn } }: Known): AttuneError {
  const { table, head } = places;
  const found = `'${name}' is named${isNeither(places)(name) ? `, which holds '${table}'` : ''}`;
  const problem =
    `${found}; '${table}' and '${head}' are one matrix (tie_word_embeddings), and PEFT trains a copy of one ` +
    'of them unless it ties them';
  const tie = `name '${table}' there with ensure_weight_tying: true`;
  const ways = canTie ? tie : `${tie}, which lora, dora and adalora have`;
  if (savedIn === undefined) return refused('method.modules_to_save', problem, `leave it out, or ${ways}`);
  const written = `where it was one matrix, as in Attune, write that and '${head}' beside it in adapter_config.json`;
  const fix = canTie ? `train it again with ensure_weight_tying: true; ${written}` : `train it without, or ${ways}`;
  return cannotOpen(savedIn, `modules_to_save: ${problem}`, fix);
}

function tiedAddition(table: string, { facts: { savedIn } }: Known): AttuneError {
  const problem =
    `ensure_weight_tying adds what '${table}' learns to the scores of tokens too, and here a LoRA of an embedding ` +
    'changes what is looked up alone';
  if (savedIn !== undefined) {
    return cannotOpen(savedIn, problem, 'merge it with PEFT (merge_and_unload), save that, and open the whole model');
  }
  const fix = `remove it, or name '${table}' in modules_to_save, not in target_modules`;
  return refused('method.ensure_weight_tying', problem, fix);
}

const nothingTied = (): AttuneError =>
  refused(
    'method.ensure_weight_tying',
    'nothing is tied: modules_to_save names no embedding that scores tokens too',
    'remove it, or name that embedding',
  );

const refused = (where: string, problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'CONFIG_INVALID', where, problem, fix });

const cannotOpen = (where: string, problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'ADAPTER_UNSUPPORTED', where, problem, fix });
