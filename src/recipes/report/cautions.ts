/** What makes figures say less than they seem to. */
import { count, percent } from '../figures.ts';
import { guardWarnings } from './guarded.ts';
import { type Html, html } from './html.ts';
import type { ReportInput } from './run.ts';

const FEW_ROWS = 100;

export function cautions(input: ReportInput): readonly Html[] {
  const warnings = [leaked, unbalanced, chosenOnTheseRows, fewRows].flatMap((caution) => caution(input) ?? []);
  const note = thresholdNote(input);
  return [
    ...guardWarnings(input),
    ...warnings.map((text) => html`<p class="warning">${text}</p>`),
    ...(note ? [html`<p class="remark">${note}</p>`] : []),
  ];
}

type Caution = (input: ReportInput) => string | undefined;

const leaked: Caution = ({ run: { rows } }) =>
  rows.leaked > 0
    ? `${count(rows.leaked)} validation or test rows repeat a training row, or nearly: they measure memory, not learning.`
    : undefined;

const unbalanced: Caution = ({ run: { metrics, labels }, measured }) => {
  if (!measured || !metrics) return undefined;
  const totals = measured.confusion.map((row) => row.reduce((a, b) => a + b, 0));
  const most = Math.max(...totals);
  if (metrics.accuracy > most / measured.rows) return undefined;
  const share = percent(most / measured.rows);
  return `Always answering ${labels[totals.indexOf(most)]} would be right on ${share} of these rows: here the accuracy tells little, look at F1.`;
};

const chosenOnTheseRows: Caution = ({ run: { recipe }, measured }) => {
  if (measured?.split !== 'validation') return undefined;
  const chosen = recipe.evaluation.threshold === 'auto' ? 'the checkpoint and the threshold' : 'the checkpoint';
  return `These rows chose ${chosen}, so the figures may be a little too good. Rows of their own, under data.test, would tell.`;
};

const fewRows: Caution = ({ measured }) =>
  measured && measured.rows < FEW_ROWS
    ? `${measured.rows} rows are few: the interval shows how little they can tell.`
    : undefined;

const thresholdNote: Caution = ({ run: { threshold, recipe, labels }, measured }) => {
  if (threshold === null || !measured) return undefined;
  const why =
    recipe.evaluation.threshold === 'auto' ? 'where its F1 on the validation rows is largest' : 'as the recipe says';
  return `${labels[1]} is answered where its probability is at least ${threshold.toFixed(3)}, ${why}.`;
};
