/** What the guards did in a run: nothing where it went well. */
import { count } from '../figures.ts';
import { type Html, html } from './html.ts';
import type { GuardEvent, ReportInput } from './run.ts';

/** Warnings and a stop belong to what a reader sees first. */
type Guarded = { readonly run: Pick<ReportInput['run'], 'guards'> };

export const guardWarnings = ({ run }: Guarded): readonly Html[] => [
  ...run.guards.events
    .filter(({ event }) => event === 'warning')
    .map(({ step, reason }) => html`<p class="warning">Step ${count(step)}: ${reason}</p>`),
];

const words = { skipped: 'skipped', rolled_back: 'went back', stopped: 'stopped', warning: 'warning' };
const MOST_SHOWN = 30;

export function guarded({ run }: Guarded): Html | undefined {
  const { events, skipped_steps: skipped, rollbacks } = run.guards;
  const done = events.filter(({ event }) => event !== 'warning');
  if (done.length === 0) return undefined;
  const summary = `Updates that were left out: ${count(skipped)}. Ways back to an earlier state: ${count(rollbacks)}.`;
  return html`<section><h2>Guards</h2><p>${summary}</p><div class="scroll low"><table class="wide"><thead>
<tr><th class="number">step</th><th>done</th><th>why</th><th>first in</th><th>rows</th></tr></thead>
<tbody>${done.slice(0, MOST_SHOWN).map(row)}</tbody></table></div></section>`;
}

const row = ({ step, event, reason, layer, worst_rows: rows = [] }: GuardEvent): Html => html`<tr>
<td class="number">${count(step)}</td><td>${words[event]}</td><td>${reason}</td><td>${layer ?? '–'}</td>
<td>${rows.length > 0 ? rows.slice(0, 3).join(', ') : '–'}</td></tr>`;
