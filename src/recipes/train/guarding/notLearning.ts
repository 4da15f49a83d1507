/** Says once, aloud, that a run learns nothing: its loss is not below that of answering without having read. */
import type { Recipe } from '../../schema/index.ts';

/** Loss of the best answer that does not read the text: what a model that learned nothing comes to. */
export interface Prior {
  /** Under the training loss, with its class weights and its label smoothing. */
  readonly training: number;
  /** Of the validation rows, as an evaluation measures them. */
  readonly validation: number | undefined;
  /** What such an answer goes by: `the labels' shares`. */
  readonly of: string;
  /** A model may start far above chance, as one that never saw such texts does: it learns as long as its loss falls. */
  readonly startsAbove?: boolean;
}

export interface Criterion {
  readonly classWeights?: readonly number[] | undefined;
  readonly labelSmoothing?: number;
}

/** Entropy of the labels' shares. With weights wₖ and smoothing ε label k is the target for (1 − ε)·wₖ·nₖ + ε·wₖ·n/K. */
export function priorLoss(counts: readonly number[], { classWeights, labelSmoothing = 0 }: Criterion = {}): number {
  const rows = sum(counts);
  const weights = classWeights ?? counts.map(() => 1);
  const even = (labelSmoothing * rows) / counts.length;
  const targets = counts.map((count, k) => weights[k]! * ((1 - labelSmoothing) * count + even));
  const total = sum(targets);
  const loss = sum(targets.map((target) => (target === 0 ? 0 : -target * Math.log(target / total))));
  return loss / sum(counts.map((count, k) => weights[k]! * count));
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Plain data. */
export interface LearningState {
  /** The lowest loss of the validation rows so far. */
  readonly lowest: number | null;
  readonly told: boolean;
}

export interface LearningWatch {
  readonly state: () => LearningState;
  readonly restore: (state: LearningState) => void;
  readonly evaluated: (loss: number) => void;
  /** Called after an evaluation and after the last step. What to say, once; undefined where there is nothing to say. */
  readonly judge: (now: { readonly step: number; readonly losses: readonly number[] }) => string | undefined;
}

/** Just below the prior is chance: a run that learns is well below it. */
const MARGIN = 0.995;
const NEARLY_CHANCE = 0.9;
/** A loss above chance is no sign of standing still, but of jumping about. */
const RESTLESS = 1.03;
/** Steps of which the training loss is the mean. */
const RECENT = 20;

interface Watched {
  readonly prior: Prior;
  /** The validation loss before the first step. */
  readonly before: () => number | undefined;
  readonly recipe: Pick<Recipe, 'training' | 'method'>;
  readonly totalSteps: number;
}

export function watchLearning(watched: Watched): LearningWatch {
  const { recipe, totalSteps } = watched;
  let state: LearningState = { lowest: null, told: false };
  const from = warmSteps(recipe.training, totalSteps);
  return {
    state: () => state,
    restore(saved) {
      state = saved;
    },
    evaluated(loss) {
      state = { ...state, lowest: Math.min(state.lowest ?? Number.POSITIVE_INFINITY, loss) };
    },
    judge({ step, losses }) {
      if (state.told || step < from || losses.length === 0) return undefined;
      if (watched.prior.startsAbove && falls(losses)) return undefined;
      const recent = losses.slice(-RECENT);
      const training = sum(recent) / recent.length;
      const found = standstill(watched, { training, lowest: state.lowest });
      if (found === undefined) return undefined;
      // A model may stay on a plateau for some epochs and still be about to leave it: its training loss moves first.
      const { prior } = watched;
      if (step < totalSteps && training < MARGIN * prior.training) return undefined;
      state = { ...state, told: true };
      const isRestless = training > prior.training * RESTLESS;
      return `not learning: after ${step} steps ${found}. ${causes(recipe, isRestless)}`;
    },
  };
}

/** The later half of the steps against the earlier one. */
function falls(losses: readonly number[]): boolean {
  const half = Math.ceil(losses.length / 2);
  const mean = (part: readonly number[]): number => sum(part) / part.length;
  return mean(losses.slice(half)) < MARGIN * mean(losses.slice(0, half));
}

interface Reached {
  readonly training: number;
  readonly lowest: number | null;
}

/** Where the loss stands, if that is where it would be without having read the texts; else undefined. */
function standstill({ prior, before: measured, recipe }: Watched, { training, lowest }: Reached): string | undefined {
  const before = measured();
  // With class weights or smoothing an evaluation measures something else than what is learned.
  const { class_weights: weights, label_smoothing_factor: smoothing } = recipe.training;
  const byValidation = prior.validation !== undefined && lowest !== null && weights === 'none' && smoothing === 0;
  const chance = byValidation ? prior.validation! : prior.training;
  const reached = byValidation ? lowest! : training;
  // Of few rows a model that knows nothing may by luck be a little below chance: there it stays.
  const wasChance = byValidation && before !== undefined && before > NEARLY_CHANCE * chance;
  if (reached < MARGIN * Math.min(chance, wasChance ? before! : chance)) return undefined;
  const start = wasChance ? `, before training it was ${before!.toFixed(4)}` : '';
  const name = byValidation ? 'the lowest validation loss' : 'the training loss';
  return `${name} is ${reached.toFixed(4)}${start}, and always answering by ${prior.of} has ${chance.toFixed(4)}`;
}

/** What a rate must have had time to do. A short run is judged from its middle on, a very short one not at all. */
function warmSteps({ warmup_steps: steps, warmup_ratio: ratio }: Recipe['training'], totalSteps: number): number {
  const warmup = steps || Math.ceil(ratio * totalSteps);
  return warmup + Math.min(100, Math.max(10, Math.floor((totalSteps - warmup) / 2)));
}

function causes({ training, method }: Watched['recipe'], isRestless: boolean): string {
  const rate = `training.learning_rate ${training.learning_rate} is too ${isRestless ? 'high' : 'low'}`;
  const isHeadAlone = method.name === 'freeze' && method.trainable === 'head';
  const likely = [
    `${rate} for method ${method.name}`,
    isHeadAlone
      ? 'the head alone has too little capacity: train last layers too (method.trainable: 2), or use lora'
      : method.name === 'freeze'
        ? 'the layers that would have to learn are frozen'
        : 'too few steps',
    'the labels do not belong to their texts (shuffled, or the wrong column)',
  ];
  return `Likely causes: ${likely.join('; ')}.`;
}
