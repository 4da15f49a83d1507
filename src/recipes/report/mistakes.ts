/** The rows that were answered wrongly, and most surely so: mislabelled data shows here first. */
import { count, percent } from '../figures.ts';
import { type Html, html } from './html.ts';
import type { PredictionRow } from './predictions.ts';
import type { ReportInput } from './run.ts';

export function mistakes({ measured }: ReportInput): Html | undefined {
  if (!measured) return undefined;
  const right = measured.confusion.reduce((sum, row, i) => sum + row[i]!, 0);
  const wrong = measured.rows - right;
  const head = html`<h2>Worst mistakes</h2>`;
  if (wrong === 0) return html`<section>${head}<p>None: all ${count(right)} rows were answered rightly.</p></section>`;
  const shown = measured.worst.length;
  const which = shown === wrong ? 'Here they are' : `Here are the ${shown} that were answered most surely`;
  return html`<section>${head}<p class="soft">${count(wrong)} of ${count(measured.rows)} rows were answered wrongly.
${which}, surest first. Check the labels of these rows before anything else; all answers are in predictions.jsonl.</p>
<ol class="mistakes">${measured.worst.map(mistake)}</ol></section>`;
}

function mistake({ where, text, pair, label, prediction, score }: PredictionRow): Html {
  return html`<li><div class="head"><b>${percent(score)}</b><span><span class="soft">answered</span>
<span class="mistaken">${prediction}</span></span><span><span class="soft">true</span>
<span class="truth">${label}</span></span><span class="where">${where}</span></div>
${shownText(text)}${pair === undefined ? undefined : shownText(pair)}</li>`;
}

const OPENING = 320;
const MOST = 6000;

/** A long text is folded, and a very long one cut: the page has to stay light. */
function shownText(text: string): Html {
  // Whole characters: half of one is no text.
  const characters = Array.from(text.slice(0, 2 * MOST)).slice(0, MOST);
  if (characters.length <= OPENING) return html`<p class="text" dir="auto">${text}</p>`;
  const opening = characters.slice(0, OPENING).join('').trimEnd();
  const cut = characters.join('').length < text.length ? ' … (cut here)' : '';
  return html`<details class="text" dir="auto"><summary>${opening}… <span class="more">show all</span></summary>
…${characters.slice(OPENING).join('')}${cut}</details>`;
}
