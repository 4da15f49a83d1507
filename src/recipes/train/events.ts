/** What a training run tells while it goes on. Plain data: it crosses from the worker to whoever shows it. */
import type { Metrics } from '../../evaluation/index.ts';
import type { StepRecord } from '../../training/index.ts';

export interface RunStarted {
  readonly type: 'started';
  readonly outputDir: string;
  /** Steps that were done before: above 0 where the run goes on. */
  readonly firstStep: number;
  readonly totalSteps: number;
  readonly epochs: number;
  readonly labels: readonly string[];
  readonly rows: { readonly train: number; readonly validation: number; readonly test: number };
  readonly truncated: number;
  /** Rows that had nothing left to learn, and were left out. */
  readonly dropped: number;
  /** Answers to learn that are cut before their end. */
  readonly lostEnds: number;
  /** Tokens that answers end with and that the model does not stop at by itself. */
  readonly unknownEnds: readonly string[];
  /** Validation and test rows that repeat training rows, or nearly so. */
  readonly leaked: number;
  readonly maxLength: number;
  readonly totalParameters: number;
  readonly trainableParameters: number;
  /** Tensors that no checkpoint held: they start from random values. */
  readonly fresh: readonly string[];
}

export type TrainEvent =
  | { readonly type: 'fetching'; readonly file: string; readonly received: number; readonly total?: number }
  | { readonly type: 'preparing'; readonly what: string }
  | RunStarted
  | ({ readonly type: 'step'; readonly tokensPerSecond: number; readonly memoryBytes: number } & StepRecord)
  | { readonly type: 'evaluation'; readonly step: number; readonly metrics: Metrics; readonly best: boolean }
  | { readonly type: 'note'; readonly text: string }
  | {
      /** A guard left a step out, went back, stopped the run, or has to say something. */
      readonly type: 'guard';
      readonly event: 'skipped' | 'rolled_back' | 'stopped' | 'warning';
      readonly step: number;
      readonly text: string;
    };

export type OnTrainEvent = (event: TrainEvent) => void;
