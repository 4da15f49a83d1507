/** What a report is made from: what a run's folder says, and how its last answers were judged. */
import type { ClassCount } from '../../data/index.ts';
import type { Problem } from '../../errors/index.ts';
import type { ClassificationMetrics, Metrics } from '../../evaluation/index.ts';
import type { Judgement } from './judgement.ts';

export interface GuardEvent {
  readonly step: number;
  readonly event: 'skipped' | 'rolled_back' | 'stopped' | 'warning';
  readonly reason: string;
  readonly layer?: string | null;
  readonly worst_rows?: readonly string[];
}

/** The fields of run.json that are shown. */
export interface RunFacts {
  readonly status: string;
  readonly error: Problem | null;
  readonly task: string;
  readonly method: string;
  readonly base_model: string;
  readonly labels: readonly string[];
  readonly class_weights: Readonly<Record<string, number>> | null;
  readonly threshold: number | null;
  readonly trainable_parameters: number;
  readonly total_parameters: number;
  readonly total_steps: number;
  readonly rows: Readonly<Record<'train' | 'validation' | 'test' | 'truncated' | 'dropped' | 'leaked', number>>;
  readonly before: (ClassificationMetrics & { readonly majority: number }) | null;
  readonly base_loss: number | null;
  readonly metrics: ClassificationMetrics | null;
  readonly best_step: number | null;
  readonly guards: {
    readonly skipped_steps: number;
    readonly rollbacks: number;
    readonly events: readonly GuardEvent[];
  };
  readonly steps: number;
  readonly epochs: number;
  readonly timing: Readonly<Record<string, number>>;
  readonly peak_memory_bytes: number;
  readonly artifact_bytes: number | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly started_at: string;
  readonly recipe: {
    readonly output_dir: string;
    readonly data: { readonly max_length: number };
    readonly evaluation: { readonly threshold?: 'auto' | number | undefined };
    readonly training: { readonly metric_for_best_model: keyof Metrics };
  };
}

/** A line of metrics.jsonl: of a step, of an evaluation (`eval_…`), or of a guard, which has texts too. */
export type LogLine = Readonly<Record<string, number>>;

/** The rows that the figures were measured on. */
export interface MeasuredSplit extends Judgement {
  readonly split: 'validation' | 'test';
}

export interface ReportInput {
  readonly run: RunFacts;
  readonly log: readonly LogLine[];
  /** Undefined where nothing was evaluated. */
  readonly measured: MeasuredSplit | undefined;
  /** Rows by label, in the order of the labels. */
  readonly balance: {
    readonly train: readonly ClassCount[];
    readonly validation?: readonly ClassCount[] | undefined;
    readonly test?: readonly ClassCount[] | undefined;
  };
  /** The best evaluation of the validation rows, with the final threshold. */
  readonly validated: ClassificationMetrics | undefined;
}

/** The same of a language model. */
export interface LanguageFacts extends Omit<RunFacts, 'metrics' | 'before'> {
  readonly metrics: Metrics | null;
  readonly before: Metrics | null;
  /** Of conversations. */
  readonly chat: {
    readonly template: string;
    readonly unknown_ends: readonly string[];
    readonly train_tokens: number;
    readonly learned_tokens: number;
    readonly lost_tokens: number;
    /** Runs of before have none. */
    readonly lost_ends?: number;
  } | null;
}

export interface LanguageReport {
  readonly run: LanguageFacts;
  readonly log: readonly LogLine[];
  /** The rows that the figures were measured on; undefined where nothing was evaluated. */
  readonly split: 'validation' | 'test' | undefined;
  /** What the model said, of conversations. */
  readonly sayings?: SaidAnswers | undefined;
  /** Why it was not asked. */
  readonly unasked?: string | undefined;
}

export interface SaidAnswers {
  /** How many rows were answered, and the share of the answers that ended by themselves within the limit. */
  readonly asked: number;
  readonly stopRate: number;
  readonly limit: number;
  readonly answers: readonly Readonly<Record<'where' | 'prompt' | 'expected' | 'before' | 'after', string>>[];
}
