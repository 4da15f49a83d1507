/** What a reader wants first: what was trained, and how good it is. */
import type { Problem } from '../../errors/index.ts';
import { type ClassificationMetrics, wilsonInterval } from '../../evaluation/index.ts';
import { count, percent } from '../figures.ts';
import { cautions } from './cautions.ts';
import { type Html, html } from './html.ts';
import type { MeasuredSplit, ReportInput, RunFacts } from './run.ts';

/** The last part of a path or of a model's name. */
export const lastPart = (name: string): string => name.split(/[\\/]/).findLast((part) => part !== '') ?? name;

export function headline(input: ReportInput): Html {
  const { run, measured } = input;
  return html`${title(run)}<section>${measured && run.metrics ? figures(run, run.metrics, measured) : notMeasured}${cautions(input)}</section>`;
}

type Titled = Pick<
  RunFacts,
  'recipe' | 'status' | 'task' | 'base_model' | 'method' | 'error' | 'steps' | 'total_steps' | 'best_step'
>;

/** What was trained, and how it ended. */
export function title(run: Titled): Html {
  const { recipe, status, task, base_model: base, method } = run;
  return html`<header><h1>${lastPart(recipe.output_dir)}</h1>
<span class="status ${status}">${statusText(run)}</span></header>
<p class="soft"><span title="${base}">${lastPart(base)}</span> · ${task} · ${methodName(method)}</p>
${run.error ? failure(run.error, run) : ''}`;
}

const statusText = ({ status, steps, total_steps: all }: Titled): string =>
  status === 'succeeded' ? status : `${status} at step ${count(steps)} of ${count(all)}`;

/** As the command line told it, for whoever comes later. */
function failure({ code, where, problem, fix }: Problem, { best_step: best }: Titled): Html {
  const kept = best === null ? 'No model was saved.' : `The model of step ${count(best)} was saved.`;
  return html`<section class="failure"><h2>${where}</h2><p>${problem}</p>
<p><b>What to do:</b> ${fix}</p><p class="soft">${kept} <code>${code}</code></p></section>`;
}

const methodName = (method: string): string => (method === 'full' ? 'full fine-tuning' : method);

export const notMeasured = html`<p><b>Nothing was measured.</b> The run had neither validation nor test data, or ended before
the first evaluation, so nothing can be said about how well the model answers.</p>`;

function figures(run: RunFacts, metrics: ClassificationMetrics, { split, rows }: MeasuredSplit): Html {
  const [low, high] = wilsonInterval(metrics.accuracy, rows);
  const positive = run.labels.length === 2 ? run.labels[1] : undefined;
  const of = positive === undefined ? ', mean of labels' : ` of ${positive}`;
  return html`<div class="headline">
<div><div class="soft">Accuracy on ${count(rows)} ${split} rows</div>
<div class="figure">${percent(metrics.accuracy)}</div>
<small>${percent(low)} to ${percent(high)} with 95 % confidence (Wilson interval)</small></div>
<dl class="stats">
${stat(`F1${of}`, metrics.f1.toFixed(3))}
${stat(`Precision${of}`, metrics.precision.toFixed(3))}
${stat(`Recall${of}`, metrics.recall.toFixed(3))}
${stat('Matthews correlation', metrics.matthews_correlation.toFixed(3))}
${stat('Loss', metrics.loss.toFixed(4))}
${run.threshold === null ? '' : stat('Threshold', run.threshold.toFixed(3))}
</dl></div>`;
}

export const stat = (name: string, value: string): Html => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
