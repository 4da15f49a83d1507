/** How the loss and the learning rate went. */
import { lineChart, type Point, type Series } from './chart.ts';
import { type Html, html } from './html.ts';
import type { LogLine, ReportInput } from './run.ts';

type Curved = Pick<ReportInput['run'], 'base_loss' | 'class_weights' | 'best_step'>;

export function curves({ run, log }: { readonly run: Curved; readonly log: ReportInput['log'] }): Html {
  const train = pointsOf(log, 'loss');
  const start = run.base_loss === null ? [] : [{ x: 0, y: run.base_loss }];
  const evaluated = pointsOf(log, 'eval_loss');
  const validation = [...start, ...evaluated];
  if (train.length + evaluated.length === 0) return nothingLogged;
  const weighted = run.class_weights === null ? 'training' : 'training, with class weights';
  const series: Series[] = [
    { name: weighted, tone: 'plain', dots: false, points: train },
    { name: 'validation', tone: 'strong', dots: true, points: validation },
  ];
  const hasBest = evaluated.length > 0 && run.best_step !== null;
  const loss = lineChart({
    title: 'Loss',
    xTitle: 'step',
    yTitle: 'loss',
    height: 320,
    series: series.filter(({ points }) => points.length > 0),
    mark: hasBest ? { x: run.best_step!, text: `best: step ${run.best_step}` } : undefined,
  });
  return html`<section><h2>Learning</h2>${loss}${rateChart(pointsOf(log, 'learning_rate'))}</section>`;
}

function rateChart(points: readonly Point[]): Html | undefined {
  if (points.length === 0) return undefined;
  const series = [{ name: 'learning rate', tone: 'plain', dots: false, points }] as const;
  return lineChart({ title: 'Learning rate', xTitle: 'step', yTitle: 'rate', height: 180, series });
}

const pointsOf = (log: readonly LogLine[], name: string): Point[] =>
  log.flatMap(({ step, [name]: value }) => (Number.isFinite(value) ? [{ x: step!, y: value! }] : []));

const nothingLogged = html`<section><h2>Learning</h2>
<p class="soft">No step was logged: the run ended before training.logging_steps were done.</p></section>`;
