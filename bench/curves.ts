/**
 * Fifty steps of instruction tuning beside Transformers and PEFT: the same rows, masks, order and first adapter.
 *   npx tsx bench/curves.ts --model FILE.gguf --python PYTHON --data FOLDER [--only gsm8k]
 * FOLDER has gsm8k/, alpaca_en/ and alpaca_zh/train.jsonl with rows of `messages`. `attune train` makes one curve,
 * bench/reference/curve.py the other. Prints the largest relative difference of a step's loss.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readModelFolder } from '../src/inference/modelFolder.node.ts';
import { loadRecipe } from '../src/recipes/schema/loadRecipe.node.ts';
import { planSteps, stepBatches } from '../src/recipes/train/plan.ts';
import { runTasks } from '../src/recipes/train/tasks/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    python: { type: 'string' },
    data: { type: 'string', default: '../shared/data' },
    only: { type: 'string', multiple: true, default: ['gsm8k', 'alpaca_en', 'alpaca_zh'] },
  },
});
const ROWS = 400;
const learningRate = 2e-4;
const model = resolve(values.model!);
const folder = mkdtempSync(join(tmpdir(), 'attune-curves-'));
const run = (program: string, ...words: string[]): string =>
  execFileSync(program, words, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
const reference = join(import.meta.dirname, 'reference/curve.py');
const adapter = join(folder, 'adapter');
run(values.python!, reference, '--model', model, '--adapter', adapter, '--make');

/** The rows of every step, as a run of the recipe takes them. */
async function stepsOf(recipePath: string) {
  const recipe = await loadRecipe(recipePath, []);
  const start = { source: await readModelFolder(model), baseName: model };
  const data = await runTasks.sft.prepare(recipe, start, new Date());
  const { rows } = data.train;
  const plan = planSteps(
    recipe,
    rows.map(({ inputIds }) => inputIds.length),
  );
  const steps: object[][] = [];
  const partsOf = (batch: readonly number[]) => {
    steps.push(batch.map((row) => ({ input_ids: rows[row]!.inputIds, labels: rows[row]!.labels })));
    return [];
  };
  for await (const _ of stepBatches(rows, { recipe, plan, partsOf }));
  return steps;
}

for (const name of values.only) {
  const train = join(folder, `${name}.jsonl`);
  const lines = readFileSync(resolve(values.data, name, 'train.jsonl'), 'utf8')
    .trim()
    .split('\n');
  writeFileSync(train, `${lines.slice(0, ROWS).join('\n')}\n`);
  const recipe = {
    model,
    task: 'sft',
    init_from: adapter,
    data: { train, max_length: 1024, validation_split: 0 },
    method: { name: 'lora', r: 16, lora_alpha: 32, target_modules: 'all-linear' },
    training: {
      ...{
        num_train_epochs: 1,
        per_device_train_batch_size: 8,
        learning_rate: learningRate,
        logging_steps: 1,
        seed: 42,
      },
      ...{ weight_decay: 0, max_grad_norm: 1, lr_scheduler_type: 'linear', save_strategy: 'no' },
    },
    output_dir: `run-${name}`,
  };
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(recipe));
  const steps = await stepsOf(path);
  writeFileSync(join(folder, 'steps.json'), JSON.stringify({ learning_rate: learningRate, steps }));
  run(process.execPath, join(import.meta.dirname, '../dist/cli/main.js'), 'train', path, '--json');
  const log = readFileSync(join(folder, recipe.output_dir, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  const ours = log.map((line) => JSON.parse(line).loss as number | undefined).filter((loss) => loss !== undefined);
  const words = ['--model', model, '--adapter', adapter, '--steps', join(folder, 'steps.json')];
  const { losses } = JSON.parse(run(values.python!, reference, ...words)) as { losses: number[] };
  const differences = losses.map((loss, i) => Math.abs(ours[i]! / loss - 1));
  console.log(
    JSON.stringify({
      data: name,
      steps: losses.length,
      first: losses[0],
      last: losses.at(-1),
      largest_difference: Math.max(...differences),
      ours: ours.length,
    }),
  );
}
