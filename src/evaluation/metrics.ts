/** Metrics of classification as streaming reducers: what is kept is a table of counts, never the scores of all rows. */
const classificationMetrics = ['accuracy', 'f1', 'precision', 'recall', 'matthews_correlation', 'loss'] as const;
export type ClassificationMetric = (typeof classificationMetrics)[number];
export type ClassificationMetrics = Readonly<Record<ClassificationMetric, number>>;

/** What a pass over held-back rows found, by name; which names there are depends on the task. */
export type Metrics = { readonly loss: number } & Readonly<
  Partial<Record<ClassificationMetric | 'perplexity' | 'tool_call_accuracy', number>>
>;
export type MetricName = keyof Metrics;

export interface ClassificationReducer {
  add(truth: number, predicted: number): void;
  addLoss(sum: number, count: number): void;
  metrics(): ClassificationMetrics;
  /** Rows by true label (first index) and predicted label. */
  readonly confusion: readonly (readonly number[])[];
}

export function classificationReducer(numLabels: number): ClassificationReducer {
  const confusion = Array.from({ length: numLabels }, () => new Array<number>(numLabels).fill(0));
  const loss = { sum: 0, count: 0 };
  return {
    confusion,
    add(truth, predicted) {
      confusion[truth]![predicted]! += 1;
    },
    addLoss(sum, count) {
      loss.sum += sum;
      loss.count += count;
    },
    metrics: () => ({ ...metricsOf(confusion), loss: loss.sum / loss.count }),
  };
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

export interface LabelFigures {
  /** Rows that truly have the label. */
  readonly rows: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Each label against all others. Where nothing was predicted or true, a figure is 0. */
export function labelFigures(confusion: ClassificationReducer['confusion']): LabelFigures[] {
  return confusion.map((row, label) => {
    const hits = row[label]!;
    const rows = total(row);
    const predicted = total(confusion.map((other) => other[label]!));
    return {
      rows,
      precision: ratio(hits, predicted),
      recall: ratio(hits, rows),
      f1: ratio(2 * hits, rows + predicted),
    };
  });
}

/**
 * With two labels precision, recall and F1 are those of the second one (the positive class of scikit-learn); with more
 * they are the unweighted mean over all labels.
 */
function metricsOf(confusion: readonly (readonly number[])[]): Omit<ClassificationMetrics, 'loss'> {
  const labels = [...confusion.keys()];
  const rows = total(confusion.map(total));
  const hits = total(labels.map((label) => confusion[label]![label]!));
  const truths = confusion.map(total);
  const predictions = labels.map((label) => total(confusion.map((row) => row[label]!)));
  const figures = labelFigures(confusion);
  const averaged = labels.length === 2 ? figures.slice(1) : figures;
  const mean = (name: 'precision' | 'recall' | 'f1'): number =>
    total(averaged.map((label) => label[name])) / averaged.length;
  return {
    accuracy: ratio(hits, rows),
    f1: mean('f1'),
    precision: mean('precision'),
    recall: mean('recall'),
    matthews_correlation: matthews({ rows, hits, truths, predictions }),
  };
}

interface Margins {
  readonly rows: number;
  readonly hits: number;
  readonly truths: readonly number[];
  readonly predictions: readonly number[];
}

/** Matthews' coefficient for any number of labels (Gorodkin, 2004). */
function matthews({ rows, hits, truths, predictions }: Margins): number {
  const product = (a: readonly number[], b: readonly number[]): number => total(a.map((value, i) => value * b[i]!));
  const covariance = hits * rows - product(truths, predictions);
  const spread = (counts: readonly number[]): number => rows * rows - product(counts, counts);
  return ratio(covariance, Math.sqrt(spread(truths) * spread(predictions)));
}

/** Whether a value of a metric is better than the best so far. */
export const isBetter = (metric: MetricName, value: number, best: number | undefined): boolean =>
  best === undefined || (metric === 'loss' || metric === 'perplexity' ? value < best : value > best);
