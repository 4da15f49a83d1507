import type { Exported } from '../../recipes/export/index.ts';
import type { Console } from '../console.ts';
import { bytes } from '../figures.ts';

/** What an export left, for programs and for people. */
export function showExported({ path, files, maxLogitDifference, lostThreshold }: Exported, out: Console): void {
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  out.object({
    path,
    bytes: total,
    files: files.map(({ name }) => name),
    ...(maxLogitDifference !== undefined && { max_logit_difference: maxLogitDifference }),
  });
  const { bold, dim } = out.colors;
  const width = Math.max(...files.map(({ name }) => name.length));
  out.text(
    [
      `${bold(path)}  ${dim(bytes(total))}`,
      ...files.map((file) => `  ${file.name.padEnd(width)}  ${dim(bytes(file.bytes))}`),
      ...(maxLogitDifference === undefined ? [] : [`largest logit difference  ${shortly(maxLogitDifference)}`]),
    ].join('\n'),
  );
  if (lostThreshold === undefined) return;
  out.note(`transformers.js answers the likelier label; apply the threshold ${lostThreshold} to the scores yourself`);
}

const shortly = (value: number): string => (value === 0 ? '0' : value.toExponential(1));
