/** predictions.jsonl and report.html of a run that is over. */
import { classBalance } from '../../data/index.ts';
import type { ClassificationMetrics } from '../../evaluation/index.ts';
import { type RunRecord, readLog } from '../../store/runs/index.ts';
import {
  type AnsweredSplit,
  judge,
  type LanguageFacts,
  languageLines,
  languagePage,
  predictionLines,
  predictionRows,
  type ReportInput,
  type RunFacts,
  reportPage,
} from '../report/index.ts';
import type { Final } from './conclude.node.ts';
import { remeasured } from './measure.ts';
import type { PreparedSplit } from './prepareData.node.ts';
import type { Written } from './tasks/index.ts';
import type { Running } from './train.node.ts';

interface Said {
  readonly final: Final | undefined;
  readonly written?: Written | undefined;
}

/** `record` is what run.json is going to hold. What fails here is told, and takes nothing from the run. */
export async function writePages(running: Running, { final, written }: Said, record: RunRecord): Promise<void> {
  const { data, folder } = running;
  const threshold = record['threshold'] as number | null;
  const answered: AnsweredSplit | undefined = final?.answers && {
    examples: final.prepared.examples,
    answers: final.answers,
    labels: data.labels,
    threshold: threshold ?? undefined,
  };
  const lines = answered ? predictionLines(answered) : final && languageLines(languageRows(running, final, written));
  if (lines) await write('predictions.jsonl', () => lines);
  await write('report.html', async () => {
    if (running.task.hasLabels) return [reportPage(await reportInput(running, record, { final, answered }))];
    const run = record as unknown as LanguageFacts;
    const { sayings, unasked } = written ?? {};
    return [languagePage({ run, log: await readLog(folder.path), split: final?.split, sayings, unasked })];
  });

  async function write(name: string, pieces: () => Iterable<string> | Promise<Iterable<string>>): Promise<void> {
    try {
      await folder.replaceFile(name, await pieces());
    } catch (failure) {
      const text = `${name} could not be written: ${failure instanceof Error ? failure.message : String(failure)}`;
      running.options.onEvent({ type: 'note', text });
    }
  }
}

function languageRows({ source, data }: Running, { prepared, rowLosses }: Final, written: Written | undefined) {
  const { rows, examples } = prepared;
  // Of texts the row itself is shown: a long one became several.
  const textOf = (row: number): string => source.tokenizer.decode(rows[row]!.inputIds, { skipSpecial: true });
  const places = examples.map(({ where }) => where);
  return { rows, places, rowLosses, turns: written?.turns ?? [], ...(!data.chat && { textOf }) };
}

interface Shown {
  readonly final: Final | undefined;
  readonly answered: AnsweredSplit | undefined;
}

async function reportInput({ data, folder, reached }: Running, record: RunRecord, shown: Shown): Promise<ReportInput> {
  const { final, answered } = shown;
  const run = record as unknown as RunFacts;
  const balanceOf = ({ examples }: PreparedSplit) => classBalance(examples, data.labels);
  return {
    run,
    log: await readLog(folder.path),
    measured: final && answered && { split: final.split, ...judge(predictionRows(answered), data.labels) },
    balance: {
      train: balanceOf(data.train),
      validation: data.validation && balanceOf(data.validation),
      test: data.test && balanceOf(data.test),
    },
    validated: reached.best && (remeasured(reached.best, run.threshold ?? undefined).metrics as ClassificationMetrics),
  };
}
