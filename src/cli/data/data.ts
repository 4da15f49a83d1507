import type { DataProblem } from '../../data/index.ts';
import { nearest } from '../../errors/index.ts';
import type { DataCheck } from '../../recipes/dataCheck/dataCheck.node.ts';
import type { TurnCounts } from '../../recipes/dataCheck/task.ts';
import type { CheckedTaskName } from '../../recipes/dataCheck/tasks.ts';
import { usage } from '../arguments.ts';
import { type Call, defineCommand, type Values } from '../command.ts';
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
  format: { type: 'string', value: 'FORMAT', help: 'of sft: messages, prompt_completion, alpaca or sharegpt' },
  ...columnOptions,
  column: { type: 'string', value: 'USE=NAME', multiple: true, help: 'any other column: messages=chat' },
  labels: { type: 'string', value: 'required|optional', help: 'optional: rows may be without a label' },
  rows: { type: 'number', value: 'N', help: 'of preview: how many rows are shown; left out, 3' },
  html: { type: 'string', value: 'FILE', help: 'of preview: writes a page with them' },
} as const;

export const command = defineCommand({
  name: 'data',
  summary: 'checks whole data files before anything is trained, and shows what of them is learned',
  usage: 'check FILE… | check --recipe RECIPE | preview RECIPE [key=value …]',
  positionals: { least: 1 },
  options,
  async run({ positionals: [word, ...files], values, out, signal }) {
    checkWord(word!);
    if (word === 'preview') {
      const { preview } = await import('./dataPreview.ts');
      return await preview(files, values, { out, signal });
    }
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
  if (word === 'check' || word === 'preview') return;
  const close = nearest(word, ['check', 'preview']);
  const fix = `${close ? `did you mean ${close}? ` : ''}call: attune data check FILE…, or: attune data preview RECIPE`;
  throw usage({ command, word, problem: 'there is no such subcommand', fix });
}

async function checkGiven(files: readonly string[], given: Given, signal: Signal): Promise<DataCheck> {
  const { checkFiles } = await import('../../recipes/dataCheck/dataCheck.node.ts');
  const { text, pair, label } = given;
  if (files.length === 0) {
    const fix = 'call: attune data check FILE…, or: attune data check --recipe RECIPE';
    throw usage({ command, word: 'check', problem: 'no file is given', fix });
  }
  const { checkedTasks } = await import('../../recipes/dataCheck/tasks.ts');
  const { chatFormatNames } = await import('../../data/chat/index.ts');
  const task = oneOf(given.task ?? 'text-classification', Object.keys(checkedTasks) as CheckedTaskName[], '--task');
  const format = given.format && oneOf(given.format, chatFormatNames, '--format');
  const columns = { text, pair, label, ...Object.fromEntries(given.column.map(columnOf)) };
  return withColumnOptions(await checkFiles(files, { task, columns, format, labels: labelsOf(given.labels), signal }));
}

function columnOf(word: string): readonly [string, string] {
  const [use, name] = word.split('=');
  if (use && name) return [use, name];
  throw usage({
    command,
    word: 'check --column',
    problem: `got ${JSON.stringify(word)}`,
    fix: 'write --column USE=NAME',
  });
}

/** The fix for a missing column names the key of a recipe; here an option says the same. */
function withColumnOptions(check: DataCheck): DataCheck {
  const told = (one: DataProblem): DataProblem =>
    one.code === 'DATA_COLUMN' ? { ...one, fix: `${one.fix}; here, give --text, --pair or --label NAME` } : one;
  return { ...check, files: check.files.map((file) => ({ ...file, problems: file.problems.map(told) })) };
}

/** A recipe names task, files and columns: a second word for one of them would leave open which holds. */
async function checkOfRecipe(files: readonly string[], given: Given, signal: Signal): Promise<DataCheck> {
  const { checkRecipeData } = await import('../../recipes/dataCheck/dataCheck.node.ts');
  const { loadRecipe } = await import('../../recipes/schema/index.ts');
  const names = Object.keys(options) as (keyof typeof options)[];
  const isGiven = (value: Given[keyof Given]): boolean =>
    Array.isArray(value) ? value.length > 0 : value !== undefined;
  const option = names.find((name) => name !== 'recipe' && isGiven(given[name]));
  const word = option === undefined ? files[0] : `--${option}`;
  if (word !== undefined) {
    const fix = 'leave it out, or leave --recipe out';
    throw usage({ command, word: `check ${word}`, problem: 'the recipe says this already', fix });
  }
  return checkRecipeData(await loadRecipe(given.recipe!), signal);
}

function oneOf<Word extends string>(word: string, words: readonly Word[], option: string): Word {
  const known = words.find((one) => one === word);
  if (known !== undefined) return known;
  const close = nearest(word, words);
  const fix = `${close ? `did you mean ${close}? ` : ''}give one of ${words.join(', ')}`;
  throw usage({ command, word: `check ${option}`, problem: `got ${JSON.stringify(word)}`, fix });
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
  const objects = files.map(({ path, use, rows, problems, problemCount, labels, turns, duplicates, characters }) => ({
    path,
    ...(use && { use }),
    rows,
    problems: problems.map(({ code, line, where, problem, fix }) => ({ code, line, where, problem, fix })),
    problem_count: problemCount,
    labels,
    ...(turns && { turns: turnsObject(turns) }),
    duplicates,
    characters: characters ?? null,
  }));
  return { files: objects, warnings, ok };
}

const turnsObject = ({ toolCalls, ...counts }: TurnCounts): object => ({ ...counts, tool_calls: toolCalls });
