/** Runs that are killed at random moments, also while they save, and resumed until they end. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, start, train, writeRecipe } from '../e2e/attune.ts';
import { tinyRecipe, writeReviews } from '../e2e/reviews.ts';
import { checkpointsOf, type Outcome, outcomeOf } from './outcome.ts';

/** Each saves after every second step, evaluates after every third, and has a best model to keep. */
const recipes: Readonly<Record<string, readonly string[]>> = {
  full: [],
  lora: ['method.name=lora', 'method.r=4', 'learning_rate=0.01'],
  freeze: ['method=freeze', 'learning_rate=0.01'],
  accumulated: ['gradient_accumulation_steps=2', 'per_device_train_batch_size=4', 'num_train_epochs=2'],
};

export interface Tally {
  readonly runs: number;
  /** SIGKILLs that met a living program, and those of them that left a save half done. */
  kills: number;
  duringSaves: number;
  /** Checkpoints that were damaged on purpose after a kill. */
  damaged: number;
  /** Checkpoints in their place that were not whole although nobody had damaged them. */
  invalid: number;
  /** Times that a run went on from another checkpoint than the newest whole one. */
  takenWrongly: number;
  /** Runs that ended as the one that was left alone. */
  same: number;
  readonly different: string[];
}

/** `random` gives numbers in [0, 1). */
export async function killRuns(folder: string, runs: number, random: () => number): Promise<Tally> {
  mkdirSync(folder, { recursive: true });
  writeReviews(folder);
  const training = { dropout: 0.1, save_steps: 2, logging_steps: 5, num_train_epochs: 2 };
  writeRecipe(folder, tinyRecipe({ evaluation: { eval_steps: 3 }, training }));
  const names = Object.keys(recipes);
  const references = new Map<string, Reference>();
  const tally: Tally = {
    runs,
    kills: 0,
    duringSaves: 0,
    damaged: 0,
    invalid: 0,
    takenWrongly: 0,
    same: 0,
    different: [],
  };
  for (let i = 0; i < runs; i++) {
    const name = names[i % names.length]!;
    if (!references.has(name)) {
      references.set(name, await leftAlone(folder, `whole-${name}`, recipes[name]!));
    }
    const output = `broken-${i}`;
    const { outcome, milliseconds } = references.get(name)!;
    await killOnce({ folder, output, words: recipes[name]!, milliseconds, random, tally });
    const before = resumedAt(join(folder, output));
    const newest = wholeSteps(join(folder, output)).at(-1) ?? 0;
    await train(['recipe.json', ...recipes[name]!, `output_dir=${output}`, '--resume'], { cwd: folder });
    const after = resumedAt(join(folder, output));
    if (after.length > before.length && after.at(-1) !== newest) tally.takenWrongly += 1;
    if (isSame(outcomeOf(join(folder, output)), outcome)) tally.same += 1;
    else tally.different.push(`${output} (${name})`);
    rmSync(join(folder, output), { recursive: true });
  }
  return tally;
}

/** A run that nobody kills, and how long it takes from its first step to its end. */
interface Reference {
  readonly outcome: Outcome;
  readonly milliseconds: number;
}

async function leftAlone(folder: string, output: string, words: readonly string[]): Promise<Reference> {
  const { finished, told } = start(['train', 'recipe.json', ...words, `output_dir=${output}`], { cwd: folder });
  await told('rows to learn from');
  const began = performance.now();
  await finished;
  return { outcome: outcomeOf(join(folder, output)), milliseconds: performance.now() - began };
}

function resumedAt(run: string): readonly number[] {
  if (!existsSync(join(run, 'run.json'))) return [];
  return readJson<{ resumed_at_steps: number[] }>(run, 'run.json').resumed_at_steps;
}

const wholeSteps = (run: string): number[] =>
  checkpointsOf(run).filter((step) => isWhole(join(run, `checkpoints/step-${step}`)));

interface Attempt {
  readonly folder: string;
  readonly output: string;
  readonly words: readonly string[];
  /** What the run takes when it is left alone: it is killed within this time. */
  readonly milliseconds: number;
  readonly random: () => number;
  readonly tally: Tally;
}

/** Once, or twice where it is still going on: a run that was resumed is killed too. */
async function killOnce(attempt: Attempt): Promise<void> {
  const { folder, output, words, milliseconds, random, tally } = attempt;
  const run = join(folder, output);
  const spoiled = new Set<number>();
  const wanted = 1 + Math.floor(random() * 2);
  for (let killed = 0; killed < wanted; ) {
    const { child, finished, told } = start(['train', 'recipe.json', ...words, `output_dir=${output}`, '--resume'], {
      cwd: folder,
    });
    // A run that is over says nothing about rows.
    await told('rows to learn from').catch(() => undefined);
    const timer = setTimeout(() => child.kill('SIGKILL'), random() * milliseconds);
    const { code } = await finished.finally(() => clearTimeout(timer));
    if (code === 0 && killed > 0) return;
    if (code === 0) {
      // It was faster than its killer: another try.
      rmSync(run, { recursive: true });
      continue;
    }
    killed += 1;
    tally.kills += 1;
    if (leftovers(run).length > 0) tally.duringSaves += 1;
    const steps = checkpointsOf(run);
    const whole = wholeSteps(run);
    tally.invalid += steps.filter((step) => !whole.includes(step) && !spoiled.has(step)).length;
    if (random() < 0.2 && steps.length > 0) {
      damage(join(run, `checkpoints/step-${steps.at(-1)}`), random);
      spoiled.add(steps.at(-1)!);
      tally.damaged += 1;
    }
  }
}

const leftovers = (run: string): string[] =>
  [run, join(run, 'checkpoints')]
    .filter(existsSync)
    .flatMap((folder) => readdirSync(folder).filter((name) => name.startsWith('.')));

/** Told without the program's own reader. */
function isWhole(folder: string): boolean {
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    files: Record<string, { sha256: string }>;
  };
  return Object.entries(manifest.files).every(
    ([name, { sha256 }]) =>
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex') === sha256,
  );
}

/** Cuts a file of it short, or turns one bit. */
function damage(folder: string, random: () => number): void {
  const path = join(folder, random() < 0.5 ? 'trainer.safetensors' : 'state.json');
  const bytes = readFileSync(path);
  if (random() < 0.5) truncateSync(path, Math.floor(random() * bytes.length));
  else {
    const at = Math.floor(random() * bytes.length);
    bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
    writeFileSync(path, bytes);
  }
}

const isSame = (found: Outcome, wanted: Outcome): boolean => text(found) === text(wanted);
const text = ({ model, ...rest }: Outcome): string => JSON.stringify({ model: [...model], ...rest });
