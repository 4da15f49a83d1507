import type { Metrics } from '../evaluation/index.ts';
import type { TrainEvent } from '../recipes/index.ts';
import { usage } from './arguments.ts';
import { type Call, defineCommand, type Options } from './command.ts';
import type { Colors } from './console.ts';
import { bytes, count, duration } from './figures.ts';
import type { TrainingProgress } from './progress.ts';
import { interrupted } from './runCommandLine.ts';

export const command = defineCommand({
  name: 'train',
  summary: 'trains a model as a recipe says',
  usage: 'RECIPE [key=value …]',
  positionals: { least: 1 },
  options: {
    resume: { type: 'boolean', help: 'goes on from the newest checkpoint of the run; starts where there is none' },
    'allow-changes': { type: 'boolean', help: 'resumes with other settings, training data or code than before' },
  },
  async run(call) {
    const { loadRecipe } = await import('../recipes/schema/index.ts');
    const { trainInWorker, withStart } = await import('../recipes/index.ts');
    const [file, ...overrides] = call.positionals;
    const { resume, 'allow-changes': allowChanges } = call.values;
    if (allowChanges && !resume) {
      throw usage({ command, word: '--allow-changes', problem: 'is for a run that is resumed', fix: 'add --resume' });
    }
    const recipe = await loadRecipe(file!, overrides, (document) => withStart(document, call.signal));
    const tell = narrator(call);
    const record = await trainInWorker(recipe, {
      onEvent: tell.event,
      signal: call.signal,
      resume,
      allowChanges,
    }).finally(tell.stop);
    call.out.object(record);
    call.out.text(summary(record, recipe.output_dir, call));
    return record.status === 'stopped' ? interrupted : 0;
  },
});

/** Tells what happens while a run goes on. */
function narrator({ out }: Pick<Call<Options>, 'out'>): { event(event: TrainEvent): void; stop(): void } {
  let progress: TrainingProgress | undefined;
  let fetching = '';
  const tell = (event: TrainEvent): void => {
    switch (event.type) {
      case 'fetching':
        if (event.file !== fetching) out.note(`fetching ${event.file}${event.total ? ` (${bytes(event.total)})` : ''}`);
        fetching = event.file;
        return;
      case 'preparing':
        return;
      case 'started':
        for (const line of startLines(event)) out.note(line);
        progress = out.progress({ totalSteps: event.totalSteps, firstStep: event.firstStep });
        return;
      case 'step':
        progress?.update(event);
        return;
      case 'evaluation':
        progress?.evaluation(event.step, shownMetrics(event.metrics));
        return;
      case 'note':
        if (progress) progress.line(event.text);
        else out.note(event.text);
        return;
      case 'guard':
        out.note(guardLine(event, out.noteColors));
        return;
    }
  };
  return { event: tell, stop: () => progress?.stop() };
}

/** The figure that people ask for, and the loss. */
function shownMetrics({ accuracy, perplexity, loss }: Metrics): Record<string, number> {
  return { ...(accuracy !== undefined && { accuracy }), ...(perplexity !== undefined && { perplexity }), loss };
}

function guardLine({ event, text }: Extract<TrainEvent, { type: 'guard' }>, { red, yellow }: Colors): string {
  const word = event.replace('_', ' ');
  return `${event === 'stopped' ? red(word) : yellow(word)} ${text}`;
}

function startLines(event: Extract<TrainEvent, { type: 'started' }>): string[] {
  const { rows, labels, totalParameters, trainableParameters, truncated, leaked, maxLength, fresh } = event;
  const { dropped, lostEnds, unknownEnds } = event;
  const shown = labels.length > 6 ? [...labels.slice(0, 6), `… ${labels.length} in all`] : labels;
  const all = rows.train + rows.validation + rows.test;
  return [
    `data    ${count(rows.train)} rows to learn from, ${count(rows.validation)} for validation, ${count(rows.test)} for the test`,
    ...(labels.length > 0 ? [`labels  ${shown.join(', ')}`] : []),
    `model   ${count(totalParameters)} parameters, ${count(trainableParameters)} are trained`,
    ...(truncated > 0 ? [`length  ${count(truncated)} of ${count(all)} texts are cut to ${maxLength} tokens`] : []),
    ...(dropped > 0 ? [`dropped ${count(dropped)} rows had nothing left to learn`] : []),
    ...(lostEnds > 0 ? [`warning ${lostEndsText(lostEnds, maxLength)}`] : []),
    ...(unknownEnds.length > 0
      ? [`warning answers end with ${unknownEnds.join(', ')}, which generation_config.json does not name as an end`]
      : []),
    ...(leaked > 0 ? [`warning ${count(leaked)} validation or test rows (nearly) repeat a training row`] : []),
    ...(fresh.length > 0 ? [`new     ${fresh.join(', ')}`] : []),
  ];
}

/** A model that is shown no end does not stop. */
const lostEndsText = (lost: number, maxLength: number): string =>
  `${count(lost)} ${lost === 1 ? 'answer loses its end' : 'answers lose their ends'} at ${maxLength} tokens: there nothing is learned of stopping (data.max_length)`;

interface Timing {
  readonly load_seconds: number;
  readonly train_seconds: number;
  readonly eval_seconds: number;
  readonly examples_per_second: number;
}

interface GuardCounts {
  readonly skipped_steps: number;
  readonly rollbacks: number;
  readonly warnings: number;
}

/** What should not be overlooked at the end of a long run. */
function guardLines({ skipped_steps, rollbacks, warnings }: GuardCounts, yellow: Colors['yellow']): string[] {
  if (skipped_steps + rollbacks + warnings === 0) return [];
  return [`${yellow('guards')} steps skipped: ${skipped_steps}, ways back: ${rollbacks}, warnings: ${warnings}`];
}

function summary(
  record: Readonly<Record<string, unknown>>,
  folder: string,
  { out }: Pick<Call<Options>, 'out'>,
): string {
  const { bold, green, yellow } = out.colors;
  const timing = record.timing as Timing;
  const metrics = Object.entries((record.metrics as Record<string, number> | null) ?? {});
  const measured = metrics.map(([name, value]) => `${name} ${value.toFixed(4)}`).join('  ');
  const word = record.status === 'stopped' ? yellow('stopped') : green('done');
  const pace = `${count(timing.examples_per_second)} examples/s, peak memory ${bytes(record.peak_memory_bytes as number)}`;
  return [
    `${word} in ${duration(timing.train_seconds + timing.eval_seconds + timing.load_seconds)} (${pace})`,
    ...guardLines(record.guards as GuardCounts, yellow),
    ...(measured ? [`${bold('result')} ${measured}`] : []),
    `${bold('report')} ${folder}/report.html`,
    `${bold('folder')} ${folder}`,
  ].join('\n');
}
