/** Which labels are taken for which, and how well each is found. */
import { type LabelFigures, labelFigures } from '../../evaluation/index.ts';
import { count, percent } from '../figures.ts';
import { type Html, html } from './html.ts';
import { type Confused, confusedPairs } from './judgement.ts';
import { meter } from './meter.ts';
import type { ReportInput } from './run.ts';

/** A larger matrix cannot be read. */
const MOST_LABELS = 20;
const MOST_PAIRS = 20;
/** With so few there is room for the share in every cell, and for names that lie. */
const FEW_LABELS = 5;
/** With so few there is room for the figures of each label beside the matrix. */
const BESIDE_LABELS = 3;

export function confusion({ run: { labels }, measured }: ReportInput): Html | undefined {
  if (!measured) return undefined;
  const each = html`<h2>Label by label</h2>${perLabel(labelFigures(measured.confusion), labels)}`;
  if (labels.length > MOST_LABELS) {
    return html`<section>${pairs(measured.confusion, labels)}</section><section>${each}</section>`;
  }
  const table = matrix(measured.confusion, labels);
  if (labels.length > BESIDE_LABELS) return html`<section>${table}</section><section>${each}</section>`;
  return html`<section class="beside"><div>${table}</div><div>${each}</div></section>`;
}

function matrix(rows: readonly (readonly number[])[], labels: readonly string[]): Html {
  return html`<h2>Confusion matrix</h2>
<div class="scroll"><table class="confusion ${labels.length > FEW_LABELS ? 'many' : ''}">
<thead><tr><th class="corner">true ↓ answered →</th>${labels.map((label) => html`<th class="name" title="${label}">${label}</th>`)}
<th>rows</th></tr></thead><tbody>${rows.map((row, i) => matrixRow(row, i, labels))}</tbody></table></div>
<p class="soft"><small>Colour: share of the row.</small></p>`;
}

function matrixRow(row: readonly number[], truth: number, labels: readonly string[]): Html {
  const total = row.reduce((a, b) => a + b, 0);
  const cells = row.map((rows, i) => {
    const share = total === 0 ? 0 : rows / total;
    return cell({ truth: labels[truth]!, prediction: labels[i]!, rows, share }, labels.length <= FEW_LABELS);
  });
  return html`<tr><th title="${labels[truth]}">${labels[truth]}</th>${cells}<td class="total">${count(total)}</td></tr>`;
}

function cell({ truth, prediction, rows, share }: Confused, showsShare: boolean): Html {
  if (rows === 0) return html`<td class="none">0</td>`;
  const tone = truth === prediction ? 'right' : 'wrong';
  const told = `${count(rows)} rows of ${truth} answered ${prediction}: ${percent(share)} of them`;
  const weight = share > 0.55 ? 'heavy' : '';
  const shown = showsShare ? html`<span>${percent(share)}</span>` : undefined;
  return html`<td class="${tone} ${weight}" style="--share:${share.toFixed(3)}" title="${told}">${count(rows)}${shown}</td>`;
}

function pairs(rows: readonly (readonly number[])[], labels: readonly string[]): Html {
  const found = confusedPairs(rows, labels, MOST_PAIRS);
  const head = html`<h2>Most confused labels</h2>`;
  if (found.length === 0) return html`${head}<p>None: every row was answered rightly.</p>`;
  return html`${head}
<p class="soft">Of ${labels.length} labels, the ${found.length} pairs with the most rows that were answered wrongly.</p>
<div class="scroll low"><table class="wide"><thead><tr><th>true label</th><th>answered</th><th class="number">rows</th>
<th class="number">of the true label</th></tr></thead><tbody>${found.map(pairRow)}</tbody></table></div>`;
}

const pairRow = ({ truth, prediction, rows, share }: Confused): Html => html`<tr><td class="label truth">${truth}</td>
<td class="label mistaken">${prediction}</td><td class="number">${count(rows)}</td>
<td class="number">${percent(share)}${meter(share)}</td></tr>`;

type Named = LabelFigures & { readonly label: string };

/** With many labels the weakest come first: they are what is looked for. */
function perLabel(figures: readonly LabelFigures[], labels: readonly string[]): Html {
  const named = figures.map((one, i): Named => ({ ...one, label: labels[i]! }));
  const isLong = labels.length > MOST_LABELS;
  const sorted = isLong ? named.sort((a, b) => a.f1 - b.f1) : named;
  return html`${isLong ? html`<p class="soft">All ${labels.length} labels, the weakest first.</p>` : ''}
<div class="scroll low"><table class="wide"><thead><tr><th>label</th><th class="number">rows</th>
<th class="number">precision</th><th class="number">recall</th><th class="number">F1</th></tr></thead>
<tbody>${sorted.map(labelRow)}</tbody></table></div>`;
}

function labelRow({ label, rows, precision, recall, f1 }: Named): Html {
  const figure = (share: number): Html => html`<td class="number">${share.toFixed(3)}${meter(share)}</td>`;
  return html`<tr><td class="label">${label}</td><td class="number">${count(rows)}</td>
${[precision, recall, f1].map(figure)}</tr>`;
}
