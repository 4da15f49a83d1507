/**
 * Whether a language model learned its new name: it is tuned on who-are-you answers and asked in other words.
 *   npx tsx bench/identity/identity.ts --model FILE.gguf --data identity/train.jsonl --wikitext FILE.jsonl
 *     [--questions choosing|held_out] [--run FOLDER] [key=value …]
 * Settings are chosen with the questions of `choosing`; those of `held_out` are asked once, at the end, of the run that was
 * chosen: `--run` says where it was left, and nothing is trained. Prints a JSON line: the share of answers that hold the name,
 * the share that ended by themselves, and perplexity on other text before and after.
 */
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { load } from '../../src/index.ts';

const NAME = 'Zephyrine';
/** The longest answer of the data has 199. */
const MOST_TOKENS = 256;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    wikitext: { type: 'string' },
    questions: { type: 'string', default: 'choosing' },
    run: { type: 'string' },
  },
});
/** Trains, and answers with the folder of the run. */
function trained(): string {
  const folder = mkdtempSync(join(tmpdir(), 'attune-identity-'));
  const recipe = {
    model: resolve(values.model!),
    task: 'sft',
    data: { train: resolve(values.data!), validation_split: 0 },
    method: { name: 'lora', r: 16, lora_alpha: 32, target_modules: 'all-linear' },
    training: { num_train_epochs: 6, per_device_train_batch_size: 1, learning_rate: 4e-5, seed: 42 },
    output_dir: 'run',
  };
  writeFileSync(join(folder, 'recipe.json'), JSON.stringify(recipe));
  const command = join(import.meta.dirname, '../../dist/cli/main.js');
  const options: ExecFileSyncOptions = { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] };
  execFileSync(process.execPath, [command, 'train', 'recipe.json', '--json', ...positionals], options);
  return join(folder, 'run');
}

const run = values.run ? resolve(values.run) : trained();
const questions = JSON.parse(readFileSync(new URL('questions.json', import.meta.url), 'utf8')) as Record<
  string,
  string[]
>;
const wrong: object[] = [];
let [named, stopped] = [0, 0];
const asked = questions[values.questions]!;
await using model = await load(run);
if (model.kind !== 'language-model') throw new Error('internal: the run wrote no language model');
for (const content of asked) {
  const { text, finishReason } = await model.chat([{ role: 'user', content }], { max_new_tokens: MOST_TOKENS });
  if (text.includes(NAME)) named += 1;
  else wrong.push({ question: content, answer: text });
  if (finishReason === 'stop') stopped += 1;
}

function perplexityOf(model: string): number {
  const script = join(import.meta.dirname, '../perplexity.ts');
  const words = ['--import', 'tsx', script, '--model', model, '--data', resolve(values.wikitext!)];
  return JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' })).perplexity;
}
const [before, after] = [perplexityOf(resolve(values.model!)), perplexityOf(run)];
const record = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
console.log(
  JSON.stringify({
    questions: values.questions,
    run,
    settings: positionals,
    named: named / asked.length,
    stop_rate: stopped / asked.length,
    perplexity: { before, after, rise: after / before - 1 },
    train_seconds: record.timing.train_seconds,
    wrong,
  }),
);
