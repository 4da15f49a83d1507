/** What a run asks of its task. */
import type { Tensor } from '../../../engine/graph/index.ts';
import type { Answers, Metrics } from '../../../evaluation/index.ts';
import type { Called } from '../../../evaluation/toolCalls.ts';
import type { FinishReason } from '../../../inference/generation/index.ts';
import type { Scorer, ScorerOptions } from '../../../inference/index.ts';
import type { ModelSource } from '../../../inference/modelFolder.node.ts';
import type { ModelDescription } from '../../../models/index.ts';
import type { Batch, Program, Scope } from '../../../models/nn/index.ts';
import type { Loss } from '../../../tasks/index.ts';
import type { Recompute } from '../../../training/index.ts';
import type { Recipe } from '../../schema/index.ts';
import type { Start } from '../../start.node.ts';
import type { Prior } from '../guarding/notLearning.ts';
import type { PreparedData, PreparedSplit } from '../prepareData.node.ts';
import type { Running } from '../train.node.ts';

export interface TaskOutputs {
  readonly logits: Tensor;
  readonly loss: Loss;
}

export type Forward = (root: Scope, batch: Batch) => TaskOutputs;

export interface Measured {
  readonly metrics: Metrics;
  /** What the model said of each row, where that can be looked at again. */
  readonly answers?: Answers | undefined;
  /** Of a language model: the mean loss of each row's learned tokens. */
  readonly rowLosses?: Float32Array | undefined;
}

export interface Measuring {
  readonly recipe: Recipe;
  readonly data: PreparedData;
  readonly split: PreparedSplit;
  readonly scorer: Scorer;
  readonly padTokenId: number;
  readonly threshold: number | undefined;
  readonly signal: AbortSignal;
  /** What the scorer reads of some rows; left out: the rows themselves. */
  readonly feedsOf?: Parameters<typeof import('../../../evaluation/index.ts').evaluateClassifier>[1]['feedsOf'];
}

export interface Saying {
  readonly where: string;
  readonly prompt: string;
  /** What the data answers. */
  readonly expected: string;
  readonly before: string;
  readonly after: string;
}

export interface Sayings {
  /** How many rows were asked for an answer, and the share of these that ended by themselves. */
  readonly asked: number;
  readonly stopRate: number;
  /** The most tokens that an answer was given. */
  readonly limit: number;
  readonly answers: readonly Saying[];
}

/** What was written in place of a turn that the data has. */
export interface WrittenTurn {
  /** Number of the row in its split, and of the turn among those of the row. */
  readonly row: number;
  readonly turn: number;
  readonly prompt: string;
  readonly expected: string;
  readonly prediction: string;
  readonly finishReason: FinishReason;
  readonly tokens: number;
  /** Calls of tools, where one of the two has any. */
  readonly calls?: {
    readonly expected: readonly Called[];
    readonly predicted: readonly Called[];
    readonly correct: boolean;
  };
}

export interface Written {
  readonly turns?: readonly WrittenTurn[];
  /** The most tokens that an answer was given; calls of tools get what those of the data need. */
  readonly limit?: number;
  /** A few of them beside what the run began with, for a reader to judge. */
  readonly sayings?: Sayings | undefined;
  /** Why there are none. */
  readonly unasked?: string;
  /** Figures of what was written. */
  readonly metrics?: Partial<Metrics>;
}

export interface RunTask {
  /** Everything is checked before any weight is loaded. `now` is the time that chat templates are told. */
  prepare(recipe: Recipe, start: Start, now: Date): Promise<PreparedData>;
  /** Inputs of a program. */
  readonly inputs: { readonly plain: () => Batch; readonly packed: () => Batch };
  /** What programs are built from. `learning`: with the settings that count only there. */
  forward(description: ModelDescription, data: PreparedData, learning?: Recipe['training']): Forward;
  openScorer(program: Program<TaskOutputs>, options: ScorerOptions): Promise<Scorer>;
  /** The outputs of frozen layers can be kept: a row has few of them. */
  readonly keepsFeatures: boolean;
  /** What of the model's blocks is computed again for the backward pass. */
  recompute(recipe: Recipe): Recompute;
  /** Its rows may be so long that memory is tried before the first step. */
  readonly probesMemory: boolean;
  measure(measuring: Measuring): Promise<Measured>;
  /** What the trained model writes, with the best weights in memory; `split`: the rows of the final figures. */
  written?(running: Running, split: PreparedSplit | undefined): Promise<Written>;
  /** What an answer without thinking scores, beside the model before training. */
  majority?(split: PreparedSplit): number;
  /** The loss of a model that reads nothing. */
  prior(data: PreparedData, recipe: Recipe): Prior;
  /** The model's head is for these labels and no others. */
  readonly hasLabels: boolean;
  /** config.json of a whole model. */
  modelConfig(source: ModelSource, data: Pick<PreparedData, 'labels'>): object;
  /** Files of a whole model that stand in for those of the base. */
  modelFiles?(source: ModelSource): Readonly<Record<string, string>>;
  /** The class of Transformers that reads the whole model. */
  className(source: Pick<ModelSource, 'description'>): string;
  /** Modules of the head, which an adapter saves whole. */
  headModules(source: Pick<ModelSource, 'description'>): readonly string[];
  /** What PEFT calls the task. */
  readonly peftTask: string;
}
