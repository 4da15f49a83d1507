import type { Metrics } from '../../evaluation/index.ts';
import type { Exported } from '../../recipes/export/index.ts';
import type { Console } from '../console.ts';
import { bytes, count } from '../figures.ts';

/** What an export left, for programs and for people. */
export function showExported({ path, files, drift, base, lostThreshold }: Exported, out: Console): void {
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  out.object({
    path,
    bytes: total,
    files: files.map(({ name }) => name),
    ...(base && { base }),
    ...(drift && {
      max_logit_difference: drift.maxLogitDifference,
      compared_rows: drift.rows ?? null,
      changed_answers: drift.changedAnswers ?? null,
      metrics: drift.metrics ?? null,
    }),
  });
  const { bold, dim } = out.colors;
  const width = Math.max(...files.map(({ name }) => name.length));
  out.text(
    [
      `${bold(path)}  ${dim(bytes(total))}`,
      ...files.map((file) => `  ${file.name.padEnd(width)}  ${dim(bytes(file.bytes))}`),
      ...(drift ? driftLines(drift, base) : []),
    ].join('\n'),
  );
  if (lostThreshold === undefined) return;
  out.note(`transformers.js answers the likelier label; apply the threshold ${lostThreshold} to the scores yourself`);
}

/** How far the scores moved, on what, and what that did to the figures. */
function driftLines(drift: NonNullable<Exported['drift']>, base: Exported['base']) {
  const { maxLogitDifference, rows, changedAnswers, isCertain, metrics } = drift;
  if (isCertain) return ['nothing was compared: the weights are as they were trained, and nothing is folded into them'];
  const on = rows === undefined ? '' : `  on ${count(rows)} rows`;
  const figures = Object.entries(metrics?.before ?? {}).map(([name, before]) => {
    const after = metrics!.after[name as keyof Metrics];
    return `${name.padEnd(24)}  ${before.toFixed(4)} → ${after?.toFixed(4) ?? '–'}`;
  });
  return [
    ...(base ? [`folded into${' '.repeat(13)}  the ${base} base`] : []),
    `largest logit difference  ${shortly(maxLogitDifference)}${on}`,
    ...(changedAnswers === undefined ? [] : [`other answers             ${count(changedAnswers)} of ${count(rows!)}`]),
    ...figures,
  ];
}

const shortly = (value: number): string => (value === 0 ? '0' : value.toExponential(1));
