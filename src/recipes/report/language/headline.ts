/** What a page says of a language model in place of labels: how well it expects the texts, and how much it learned from. */
import { count, percent } from '../../figures.ts';
import { guardWarnings } from '../guarded.ts';
import { lastPart, notMeasured, stat, title } from '../headline.ts';
import { type Html, html } from '../html.ts';
import type { LanguageReport } from '../run.ts';

export function languageHeadline(input: LanguageReport): Html {
  const { run, split } = input;
  const { metrics, before } = run;
  const shown = metrics && split ? figures(input, metrics.loss) : notMeasured;
  const change = before && metrics ? html`<p>${changeText(before.loss, metrics.loss)}</p>` : '';
  return html`${title(run)}<section>${shown}${change}${cautions(input)}</section>`;
}

function figures({ run, split }: LanguageReport, loss: number): Html {
  const rows = split ? run.rows[split] : 0;
  return html`<div class="headline">
<div><div class="soft">Perplexity on ${count(rows)} ${split} rows</div>
<div class="figure">${Math.exp(loss).toFixed(2)}</div>
<small>the mean number of tokens that it hesitates between, at each token that is learned</small></div>
<dl class="stats">
${stat('Loss', loss.toFixed(4))}
${run.metrics?.tool_call_accuracy === undefined ? '' : stat('Right tool calls', percent(run.metrics.tool_call_accuracy))}
${run.before ? stat('Loss before training', run.before.loss.toFixed(4)) : ''}
${run.before ? stat('Perplexity before training', Math.exp(run.before.loss).toFixed(2)) : ''}
</dl></div>`;
}

const changeText = (before: number, after: number): string => {
  const ratio = Math.exp(after - before);
  return ratio <= 1
    ? `Training took ${percent(1 - ratio)} off the perplexity of these rows.`
    : `Training made the perplexity of these rows ${percent(ratio - 1)} larger.`;
};

/** What makes the figures say less than they seem to, or a model answer worse than it could. */
function cautions(input: LanguageReport): readonly Html[] {
  const { rows, chat } = input.run;
  const unknown = chat?.unknown_ends ?? [];
  const texts = [
    rows.leaked > 0
      ? `${count(rows.leaked)} validation or test rows repeat a training row, or nearly: they measure memory, not learning.`
      : undefined,
    rows.dropped > 0
      ? `${count(rows.dropped)} rows were left out: cut to the limit, they had nothing to learn.`
      : undefined,
    chat && chat.lost_tokens > 0
      ? `${count(rows.truncated)} rows were cut, and ${count(chat.lost_tokens)} tokens of answers with them: ${lostEnds(chat)}.`
      : undefined,
    unknown.length > 0
      ? `Answers end with ${unknown.join(', ')}, which generation_config.json of the base does not name: whoever generates has to stop there.`
      : undefined,
    input.split === 'validation'
      ? 'These rows chose the checkpoint, so the figures may be a little too good.'
      : undefined,
  ];
  const warnings = texts.filter((text) => text !== undefined);
  return [...guardWarnings(input), ...warnings.map((text) => html`<p class="warning">${text}</p>`)];
}

const lostEnds = ({ lost_ends: lost }: NonNullable<LanguageReport['run']['chat']>): string =>
  lost === undefined ? 'their ends were not learned' : `${count(lost)} ends of answers were not learned`;

export function languageData({ run }: LanguageReport): Html {
  const { rows, chat, recipe } = run;
  const share = chat ? `${count(chat.learned_tokens)} (${percent(chat.learned_tokens / chat.train_tokens)})` : '';
  return html`<section><h2>Data</h2><dl class="stats">
${stat('Training rows', count(rows.train))}
${stat('Validation rows', count(rows.validation))}
${stat('Test rows', count(rows.test))}
${chat ? stat('Training tokens', count(chat.train_tokens)) : ''}
${chat ? stat('Learned, the rest is only read', share) : ''}
${stat(`Cut to ${recipe.data.max_length} tokens`, count(rows.truncated))}
${stat('Repeat training rows', count(rows.leaked))}
${chat ? stat('Chat template', lastPart(chat.template)) : ''}
</dl></section>`;
}
