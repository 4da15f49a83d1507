/** The same questions before training and after it, beside what the data answers. */
import { percent } from '../../figures.ts';
import { type Html, html } from '../html.ts';
import type { LanguageReport, SaidAnswers } from '../run.ts';

export function sayings({ sayings: said, unasked }: LanguageReport): Html | undefined {
  if (unasked !== undefined) return html`<section><h2>What it says</h2><p>${capitalized(unasked)}.</p></section>`;
  if (!said) return undefined;
  return html`<section><h2>What it says</h2><p>${stopText(said)}</p>
<ul class="mistakes">${said.answers.map(answer)}</ul></section>`;
}

const capitalized = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

const stopText = ({ stopRate, limit, asked }: SaidAnswers): string => {
  const ended = `${percent(stopRate)} of ${asked} answers ended by themselves within ${limit} tokens.`;
  return stopRate < 0.5
    ? `${ended} The others are cut here; answers that never end are a sign of too little training.`
    : ended;
};

const answer = ({ where, prompt, expected, before, after }: SaidAnswers['answers'][number]): Html => html`<li>
<div class="head"><span class="where">${where}</span></div><p class="text">${prompt.trim()}</p>
<div class="scroll"><table class="wide"><tbody>
<tr><th>before</th><td class="text">${before}</td></tr>
<tr><th>after</th><td class="text truth">${after}</td></tr>
<tr><th>in the data</th><td class="text">${expected}</td></tr>
</tbody></table></div></li>`;
