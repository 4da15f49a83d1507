import type { DataProblem } from '../data/index.ts';
import { nearest } from '../errors/index.ts';
import type { DataCheck } from '../recipes/dataCheck.node.ts';
import { usage } from './arguments.ts';
import { type Call, defineCommand, type Values } from './command.ts';
import { dataCheckText } from './dataText.ts';

const badData = 2;
const columnOptions = {
  text: { type: 'string', value: 'NAME', help: 'column with the text; left out, found by name' },
  pair: { type: 'string', value: 'NAME', help: 'column with the second text of a pair' },
  label: { type: 'string', value: 'NAME', help: 'column with the label' },
} as const;
const options = {
  recipe: { type: 'string', value: 'RECIPE', help: 'checks the files of a recipe, also against each other' },
  task: { type: 'string', value: 'TASK', help: 'what the files are for; left out, text-classification' },
  ...columnOptions,
  labels: { type: 'string', value: 'required|optional', help: 'optional: rows may be without a label' },
} as const;

export const command = defineCommand({
  name: 'data',
  summary: 'checks whole data files before anything is trained',
  usage: 'check FILE… | check --recipe RECIPE',
  positionals: { least: 1 },
  options,
  async run({ positionals: [word, ...files], values, out, signal }) {
    checkWord(word!);
    const result = await (values.recipe === undefined
      ? checkGiven(files, values, signal)
      : checkOfRecipe(files, values, signal));
    out.object(resultObject(result));
    out.text(dataCheckText(result, out.colors));
    return result.ok ? 0 : badData;
  },
});

type Given = Values<typeof options>;
type Signal = Call<typeof options>['signal'];

function checkWord(word: string): void {
  if (word === 'check') return;
  const close = nearest(word, ['check']);
  const fix = `${close ? `did you mean ${close}? ` : ''}call: attune data check FILE…`;
  throw usage({ command, word, problem: 'there is no such subcommand', fix });
}

async function checkGiven(files: readonly string[], given: Given, signal: Signal): Promise<DataCheck> {
  const { checkFiles } = await import('../recipes/dataCheck.node.ts');
  const { text, pair, label } = given;
  if (files.length === 0) {
    const fix = 'call: attune data check FILE…, or: attune data check --recipe RECIPE';
    throw usage({ command, word: 'check', problem: 'no file is given', fix });
  }
  if (given.task !== undefined) await checkTask(given.task);
  const wishes = { columns: { text, pair, label }, labels: labelsOf(given.labels), signal };
  return withColumnOptions(await checkFiles(files, wishes));
}

/** The fix for a missing column names the key of a recipe; here an option says the same. */
function withColumnOptions(check: DataCheck): DataCheck {
  const told = (one: DataProblem): DataProblem =>
    one.code === 'DATA_COLUMN' ? { ...one, fix: `${one.fix}; here, give --text, --pair or --label NAME` } : one;
  return { ...check, files: check.files.map((file) => ({ ...file, problems: file.problems.map(told) })) };
}

/** A recipe names task, files and columns: a second word for one of them would leave open which holds. */
async function checkOfRecipe(files: readonly string[], given: Given, signal: Signal): Promise<DataCheck> {
  const { checkRecipeData } = await import('../recipes/dataCheck.node.ts');
  const { loadRecipe } = await import('../recipes/schema/index.ts');
  const names = Object.keys(options) as (keyof typeof options)[];
  const option = names.find((name) => name !== 'recipe' && given[name] !== undefined);
  const word = option === undefined ? files[0] : `--${option}`;
  if (word !== undefined) {
    const fix = 'leave it out, or leave --recipe out';
    throw usage({ command, word: `check ${word}`, problem: 'the recipe says this already', fix });
  }
  return checkRecipeData(await loadRecipe(given.recipe!), signal);
}

async function checkTask(task: string): Promise<void> {
  const { declaredRecipe, keysOf } = await import('../recipes/schema/declaration.ts');
  const { takes, words } = await import('../recipes/schema/takes.ts');
  const declared = keysOf(declaredRecipe())['task']!;
  if (words(declared).includes(task)) return;
  const close = nearest(task, words(declared));
  const fix = `${close ? `did you mean ${close}? ` : ''}give ${takes(declared)}`;
  throw usage({ command, word: 'check --task', problem: `got ${JSON.stringify(task)}`, fix });
}

function labelsOf(wish: string | undefined): 'required' | 'optional' {
  if (wish === undefined || wish === 'required' || wish === 'optional') return wish ?? 'required';
  throw usage({
    command,
    word: 'check --labels',
    problem: `got ${JSON.stringify(wish)}`,
    fix: 'give required or optional',
  });
}

/** The figures of a file stand beside what the contract promises; names as in run.json. */
function resultObject({ files, warnings, ok }: DataCheck): object {
  const objects = files.map(({ path, use, rows, problems, problemCount, labels, duplicates, characters }) => ({
    path,
    ...(use && { use }),
    rows,
    problems: problems.map(({ code, line, where, problem, fix }) => ({ code, line, where, problem, fix })),
    problem_count: problemCount,
    labels,
    duplicates,
    characters: characters ?? null,
  }));
  return { files: objects, warnings, ok };
}
