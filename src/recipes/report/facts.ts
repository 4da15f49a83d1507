/** What a run was made of: its data, its recipe, its machine. */
import { stringify } from 'yaml';
import type { ClassCount } from '../../data/index.ts';
import { bytes, count, duration, percent } from '../figures.ts';
import { stat } from './headline.ts';
import { type Html, html } from './html.ts';
import { meter } from './meter.ts';
import type { ReportInput, RunFacts } from './run.ts';

export function dataFacts({ run, balance }: ReportInput): Html {
  const { rows, recipe } = run;
  const all = rows.train + rows.validation + rows.test;
  return html`<section><h2>Data</h2><dl class="stats">
${stat('Training rows', count(rows.train))}
${stat('Validation rows', count(rows.validation))}
${stat('Test rows', count(rows.test))}
${stat(`Cut to ${recipe.data.max_length} tokens`, `${count(rows.truncated)} (${percent(rows.truncated / all)})`)}
${stat('Repeat training rows', count(rows.leaked))}
</dl>${balanceTable(run, balance)}</section>`;
}

const MOST_OPEN = 20;

function balanceTable({ labels, class_weights: weights }: RunFacts, balance: ReportInput['balance']): Html {
  const splits = (['train', 'validation', 'test'] as const).filter((split) => balance[split]);
  const largest = Math.max(...balance.train.map(({ share }) => share));
  const head = splits.map((split) => html`<th class="number">${split === 'train' ? 'training' : split}</th>`);
  const row = (label: string, i: number): Html => html`<tr><td class="label">${label}</td>
${splits.map((split) => balanceCell(balance[split]![i]!, split === 'train' ? largest : undefined))}
${weights ? html`<td class="number">${Number(weights[label]!.toPrecision(4))}</td>` : ''}</tr>`;
  const table = html`<div class="scroll low"><table class="wide"><thead><tr><th>label</th>${head}
${weights ? html`<th class="number">weight in the loss</th>` : ''}</tr></thead><tbody>${labels.map(row)}</tbody></table></div>`;
  if (labels.length <= MOST_OPEN) return html`<h3>Label balance</h3>${table}`;
  return html`<h3>Label balance</h3><p>${spread(balance.train)}</p>
<details><summary>All ${labels.length} labels</summary>${table}</details>`;
}

/** With a bar where the largest share is given. */
function balanceCell({ count: rows, share }: ClassCount, largest: number | undefined): Html {
  const bar = largest === undefined ? undefined : meter(share / largest);
  return html`<td class="number">${count(rows)} <span class="soft">${percent(share)}</span>${bar}</td>`;
}

function spread(train: readonly ClassCount[]): string {
  const sorted = [...train].sort((a, b) => a.count - b.count);
  const [least, middle, most] = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  const named = ({ label, count: rows }: typeof least): string => `${count(rows)} (${label})`;
  return `Training rows of a label: least ${named(least)}, in the middle ${count(middle.count)}, most ${named(most)}.`;
}

export function runFacts({ run }: { readonly run: Omit<RunFacts, 'metrics' | 'before'> }): Html {
  const { timing, versions, machine } = run;
  const seconds = (name: string): string => duration(timing[name] ?? 0);
  return html`<section><h2>Run</h2><dl class="stats small">
${stat('Started', run.started_at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'))}
${stat('Steps', `${count(run.steps)} of ${count(run.total_steps)}`)}
${stat('Saved checkpoint', run.best_step === null ? '–' : `step ${count(run.best_step)}`)}
${stat('Training', seconds('train_seconds'))}
${stat('Evaluation', seconds('eval_seconds'))}
${stat('Loading', seconds('load_seconds'))}
${stat('Speed', `${count(timing['examples_per_second'] ?? 0)} rows/s, ${count(timing['tokens_per_second'] ?? 0)} tokens/s`)}
${stat('Parameters', count(run.total_parameters))}
${stat('Trained', `${count(run.trainable_parameters)} (${percent(run.trainable_parameters / run.total_parameters)})`)}
${stat('Peak memory', bytes(run.peak_memory_bytes))}
${stat('Saved model', run.artifact_bytes === null ? '–' : bytes(run.artifact_bytes))}
${stat('Machine', `${machine['processor']}, ${machine['threads']} threads, ${machine['platform']}`)}
${Object.entries(versions).map(([name, version]) => stat(name[0]!.toUpperCase() + name.slice(1), version))}
</dl></section>
<section><details><summary>The recipe, with every default</summary><pre>${stringify(run.recipe)}</pre></details></section>`;
}
