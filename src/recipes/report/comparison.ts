/** Bars: always the most frequent label, the model before training, the model after it. */
import { type ClassificationMetrics, classificationReducer, wilsonInterval } from '../../evaluation/index.ts';
import { count, percent } from '../figures.ts';
import { type Html, html } from './html.ts';
import type { ReportInput } from './run.ts';

type Shown = 'accuracy' | 'f1';

interface Bar {
  readonly name: string;
  readonly value: number;
  readonly text: string;
  readonly tone: 'after' | '';
  readonly interval?: readonly [number, number];
}

export function comparison(input: ReportInput): Html | undefined {
  const groups = (['validation', 'test'] as const).flatMap((split) => groupsOf(split, input));
  if (groups.length === 0) return undefined;
  return html`<section><h2>What training changed</h2><div class="groups">${groups}</div></section>`;
}

function groupsOf(split: 'validation' | 'test', input: ReportInput): readonly Html[] {
  const { run, measured, validated, balance } = input;
  const after = split === 'test' ? measured?.split === 'test' && run.metrics : validated;
  if (!after) return [];
  const before = split === 'validation' ? run.before : null;
  const majority = majorityMetrics((balance[split] ?? []).map((label) => label.count));
  return (['accuracy', 'f1'] as const).map((metric) => {
    const bars = barsOf(metric, { majority, before, after, rows: run.rows[split] });
    const name =
      metric === 'accuracy' ? 'Accuracy' : `F1 ${run.labels.length === 2 ? `of ${run.labels[1]}` : '(mean of labels)'}`;
    return html`<div><h3>${name} <span class="soft">· ${count(run.rows[split])} ${split} rows</span></h3>${bars.map(drawn)}</div>`;
  });
}

interface Compared {
  readonly majority: Pick<ClassificationMetrics, Shown>;
  readonly before: Pick<ClassificationMetrics, Shown> | null;
  readonly after: Pick<ClassificationMetrics, Shown>;
  readonly rows: number;
}

function barsOf(metric: Shown, { majority, before, after, rows }: Compared): readonly Bar[] {
  const interval = metric === 'accuracy' ? { interval: wilsonInterval(after.accuracy, rows) } : {};
  const shown = (value: number) => ({ value, text: metric === 'accuracy' ? percent(value) : value.toFixed(3) });
  return [
    { name: 'most frequent label', tone: '', ...shown(majority[metric]) },
    ...(before ? [{ name: 'before training', tone: '', ...shown(before[metric]) } as const] : []),
    { name: 'after training', tone: 'after', ...shown(after[metric]), ...interval },
  ];
}

/** What always answering the most frequent label would reach. */
function majorityMetrics(counts: readonly number[]): ClassificationMetrics {
  const reducer = classificationReducer(counts.length);
  const answer = counts.indexOf(Math.max(...counts));
  for (const [label, rows] of counts.entries()) for (let i = 0; i < rows; i++) reducer.add(label, answer);
  return reducer.metrics();
}

function drawn({ name, value, text, tone, interval }: Bar): Html {
  const share = (part: number): string => `${(part * 100).toFixed(2)}%`;
  const whisker = interval
    ? html`<u style="left:${share(interval[0])};width:${share(interval[1] - interval[0])}"></u>`
    : undefined;
  return html`<div class="bar ${tone}"><span class="${tone ? '' : 'soft'}">${name}</span>
<span class="track"><i style="width:${share(value)}"></i>${whisker}</span><b>${text}</b></div>`;
}
