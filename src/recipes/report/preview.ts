/** Rows with every token marked as learned or only read: a page that needs nothing outside itself. */
import type { Preview, PreviewPiece, PreviewRow } from '../dataPreview.node.ts';
import { count, percent } from '../figures.ts';
import { type Html, html } from './html.ts';
import { framed } from './page.ts';

export function previewPage(preview: Preview, title: string): string {
  const { task, template, rows, count: all, truncated, lostEnds, maxLength } = preview;
  const how = template === null ? task : `${task}, written with ${template}`;
  const ends = lostEnds > 0 ? `, ${count(lostEnds)} answers before their end` : '';
  const cut = truncated > 0 ? ` ${count(truncated)} rows are cut to ${maxLength} tokens${ends}.` : '';
  const head = html`<header><h1>${title}</h1></header>
<p class="soft">${how}. The first ${count(rows.length)} of ${count(all)} training rows.${cut}</p>
<section><p><span class="token learned">learned</span> <span class="token">only read</span> <span class="token special">special</span></p></section>`;
  return framed({ title, style: previewStyle, sections: [head, ...rows.map(rowSection)] });
}

function rowSection({ where, tokens, learned, pieces }: PreviewRow): Html {
  const share = `${count(learned)} of ${count(tokens)} tokens are learned (${percent(learned / tokens)})`;
  return html`<section><p class="soft"><b>${where}</b> · ${share}</p><p class="tokens">${pieces.map(tokenSpan)}</p></section>`;
}

function tokenSpan({ ids, text, learned, special }: PreviewPiece): Html {
  const kinds = ['token', learned ? 'learned' : '', special ? 'special' : ''].filter((kind) => kind !== '').join(' ');
  return html`<span class="${kinds}" title="${ids.join(' ')}">${text.replaceAll('\n', '↵\n')}</span>`;
}

const previewStyle = `
.tokens { white-space: pre-wrap; overflow-wrap: anywhere; font: 15px/2 var(--mono); margin: 0; }
.token { padding: 2px 0; border-radius: 3px; color: var(--soft); box-shadow: inset -1px 0 var(--line); }
.token.learned { color: var(--ink); background: color-mix(in srgb, var(--right) 24%, transparent); }
.token.special { font-weight: 600; }
`;
