/** The state of a run between two steps, as files of a checkpoint and back. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metrics } from '../../../evaluation/index.ts';
import { openFile } from '../../../files/bytes.node.ts';
import { joinFiles, openSafetensors, safetensorsChunks } from '../../../files/index.ts';
import type { CheckpointContent, StoredCheckpoint } from '../../../store/checkpoints/index.ts';
import type { GuardingState } from '../guarding/openGuarding.ts';
import { fixedThreshold, remeasured } from '../measure.ts';
import type { Unlogged } from '../stepLog.ts';
import type { Measured } from '../tasks/index.ts';
import type { Running } from '../train.node.ts';

const STATE = 'state.json';
const TRAINER = 'trainer.safetensors';
const ANSWERS = 'best_answers.safetensors';

/** What is no tensor. Random streams are functions of the seed and the step: they need no place here. */
interface SavedState {
  readonly format: 1;
  readonly step: number;
  readonly epoch: number;
  readonly isUnmeasured: boolean;
  readonly worse: number;
  readonly unlogged: readonly Unlogged[];
  readonly logLines: number;
  readonly seconds: { readonly train: number; readonly evaluate: number };
  readonly best: { readonly step: number; readonly metrics: Metrics } | null;
  readonly guarding: GuardingState;
}

interface Kept extends Pick<Running, 'reached' | 'seconds'> {
  readonly model: Pick<Running['model'], 'trainer'>;
}

/** `logLines`: how many lines metrics.jsonl has. */
export function stateFiles(
  { model, reached, seconds }: Kept,
  guarding: GuardingState,
  logLines: number,
): CheckpointContent['files'] {
  const { step, epoch, isUnmeasured, worse, unlogged, best } = reached;
  const state: SavedState = {
    format: 1,
    step,
    epoch,
    isUnmeasured,
    worse,
    unlogged,
    logLines,
    seconds: { train: seconds.train, evaluate: seconds.evaluate },
    best: best ? { step: best.step, metrics: best.metrics } : null,
    guarding,
  };
  return {
    [TRAINER]: safetensorsChunks(model.trainer.state()),
    ...(best && answersFile(best)),
    [STATE]: [`${JSON.stringify(state, null, 2)}\n`],
  };
}

/** What the best model said of each validation row: predictions.jsonl is written from it. */
function answersFile({ answers, rowLosses }: Measured): CheckpointContent['files'] {
  const [name, data] = answers ? ['logits', answers.logits] : ['losses', rowLosses];
  if (!data) return {};
  return { [ANSWERS]: safetensorsChunks([{ name, dtype: 'float32' as const, shape: [data.length], data }]) };
}

/** Puts the run where the checkpoint was taken. Returns how many lines metrics.jsonl had then. */
export async function takeState(running: Running, { folder }: StoredCheckpoint): Promise<number> {
  const { recipe, data, model, reached, seconds } = running;
  const saved = JSON.parse(await readFile(join(folder, STATE), 'utf8')) as SavedState;
  const trainer = joinFiles([await openSafetensors(await openFile(join(folder, TRAINER)))]);
  try {
    await model.trainer.restore({ ...trainer, where: join(folder, TRAINER) });
  } finally {
    await trainer.close();
  }
  const { step, epoch, isUnmeasured, worse, best, guarding } = saved;
  Object.assign(reached, { step, epoch, isUnmeasured, worse, guarding, guards: guarding.totals });
  reached.unlogged.push(...saved.unlogged);
  if (best) {
    const answers = running.task.hasLabels
      ? { answers: { ...truthsOf(data), logits: await readAnswers(folder, 'logits') } }
      : { rowLosses: await readAnswers(folder, 'losses') };
    // Another threshold was perhaps allowed: what comes is compared with what it makes of the same answers.
    reached.best = { step: best.step, ...remeasured({ metrics: best.metrics, ...answers }, fixedThreshold(recipe)) };
  }
  seconds.train += saved.seconds.train;
  seconds.evaluate += saved.seconds.evaluate;
  return saved.logLines;
}

const truthsOf = ({ labels, validation }: Running['data']) => ({
  numLabels: labels.length,
  truths: validation!.rows.map(({ label }) => label),
});

async function readAnswers(folder: string, name: 'logits' | 'losses'): Promise<Float32Array> {
  const file = await openSafetensors(await openFile(join(folder, ANSWERS)));
  try {
    return await file.readFloats(name);
  } finally {
    await file.close();
  }
}
