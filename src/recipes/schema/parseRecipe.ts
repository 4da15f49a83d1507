import type { Problem } from '../../errors/index.ts';
import { defaultLearningRate } from '../../methods/index.ts';
import { type Checked, checkedGroups, crossChecks } from './crossChecks.ts';
import { at, declaredRecipe, type Path } from './declaration.ts';
import { problemsOf, recipeError, type Source } from './problems.ts';
import { type Recipe, recipeSettings, type TaskName, taskNames } from './recipeSettings.ts';
import { ofTask } from './taskChecks.ts';

/** A recipe as it was written, and how its places are named in messages. */
export interface RecipeDocument extends Source {
  /** Names the run's folder when `output_dir` does not. */
  readonly name?: string;
}

/** The recipe with every default filled in. `where` says in messages where the recipe came from. */
export function parseRecipe(input: unknown, where: string): Recipe {
  return resolveRecipe({ document: input, placeOf: (path) => placed(where, path) });
}

/** `recipe.yaml training.learning_rate`, or as much of it as there is. */
export function placed(where: string, path: Path): string {
  const key = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  const words = [where, key.replace(/^\./, '')].filter((word) => word !== '');
  return words.length > 0 ? words.join(' ') : 'recipe';
}

export function resolveRecipe(source: RecipeDocument): Recipe {
  const parsed = recipeSettings.safeParse(source.document);
  const issues = parsed.error?.issues ?? [];
  const problems = problemsOf(issues, declaredRecipe(), source);
  const [first, ...others] = [...problems, ...crossProblems(source, issues.flatMap(wrongPlaces))];
  if (first) throw recipeError([first, ...others]);
  if (!parsed.success) throw new Error('internal: a recipe was refused without a problem');
  return withDefaults(parsed.data, source);
}

type Parsed = ReturnType<typeof recipeSettings.parse>;

function withDefaults({ $schema: _, ...parsed }: Parsed, { document, name }: RecipeDocument): Recipe {
  const { max_length: lengthInTraining, per_device_train_batch_size: batchSize, ...training } = parsed.training;
  const rate = training.learning_rate;
  const usual = usualOf(parsed.task);
  const split = parsed.data.validation_split ?? (parsed.data.validation ? 0 : 0.1);
  const hasValidation = parsed.data.validation !== undefined || split > 0;
  const isGiven = at(document, ['evaluation', 'eval_strategy']) !== undefined;
  const isSavingGiven = at(document, ['training', 'save_strategy']) !== undefined;
  return {
    ...parsed,
    data: {
      ...ofTask(parsed.data, 'data', parsed.task),
      validation_split: split,
      max_length: lengthInTraining ?? parsed.data.max_length ?? usual.maxLength,
    },
    training: {
      ...training,
      train_sampling_strategy: parsed.data.packing ? 'random' : training.train_sampling_strategy,
      ...(training.tokens_per_batch === undefined && { per_device_train_batch_size: batchSize ?? usual.batchSize }),
      metric_for_best_model: training.metric_for_best_model ?? usual.metric,
      learning_rate: rate === 'auto' ? defaultLearningRate(parsed.method) : rate,
      save_strategy: !isSavingGiven && training.save_steps !== undefined ? 'steps' : training.save_strategy,
    },
    evaluation: isGiven ? parsed.evaluation : withStrategy(parsed.evaluation, hasValidation),
    output_dir: parsed.output_dir ?? `runs/${name ?? nameOf(parsed)}`,
  };
}

/** What is taken where a recipe says nothing. */
export function usualOf(task: TaskName) {
  const isLanguage = task !== 'text-classification';
  return isLanguage
    ? ({ maxLength: 512, batchSize: 8, metric: 'loss' } as const)
    : ({ maxLength: 128, batchSize: 32, metric: 'accuracy' } as const);
}

function withStrategy(evaluation: Parsed['evaluation'], hasValidation: boolean): Parsed['evaluation'] {
  if (!hasValidation) return { ...evaluation, eval_strategy: 'no' };
  return { ...evaluation, eval_strategy: evaluation.eval_steps === undefined ? 'epoch' : 'steps' };
}

/** A recipe that came from no file names its run by what it trains: `all-MiniLM-L6-v2-full`. */
function nameOf({ model, method }: Parsed): string {
  const last = model.split(/[/\\:]/).findLast((part) => part !== '') ?? 'model';
  return `${last.replaceAll(/[^\w.-]/g, '-')}-${method.name}`;
}

type Issue = { readonly path: Path; readonly keys?: readonly string[] };

function wrongPlaces({ path, keys }: Issue): Path[] {
  return keys ? keys.map((key) => [...path, key]) : [path];
}

function crossProblems(source: RecipeDocument, wrong: readonly Path[]): Problem[] {
  const recipe = checkedPart(source.document, wrong);
  const isWrong = (place: string) => wrong.some((path) => `${place}.`.startsWith(`${path.slice(0, 2).join('.')}.`));
  return crossChecks.flatMap(({ at: place, reads, finds }) => {
    const found = [place, ...reads].some(isWrong) ? undefined : finds(recipe);
    return found ? [{ code: 'CONFIG_INVALID' as const, where: source.placeOf(place.split('.')), ...found }] : [];
  });
}

function checkedPart(document: unknown, wrong: readonly Path[]): Checked {
  const group = (name: string) => {
    const entries = Object.entries(Object(at(document, [name])));
    const isWrong = (key: string) => wrong.some(([first, second]) => first === name && (second ?? key) === key);
    return Object.fromEntries(entries.filter(([key]) => !isWrong(key)));
  };
  const given = { data: group('data'), training: group('training'), evaluation: group('evaluation') };
  const task = taskNames.find((name) => name === at(document, ['task']));
  return { ...checkedGroups.parse(given), given, task };
}
