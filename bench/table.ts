/** A case as rows of text: one for each side, then Attune against each of the others. */
import { compared, figureNames, figures, shownFigure } from './figures.ts';
import type { CaseResult } from './results.ts';

export function tableOf({ sides }: CaseResult): string[][] {
  const names = figureNames.filter((name) => sides.some((side) => side.figures[name] !== undefined));
  const [attune, ...others] = sides;
  return [
    ['', ...names.map((name) => figures[name].title)],
    ...sides.map((side) => [side.name, ...names.map((name) => shownFigure(name, side.figures[name]))]),
    ...others.map((other) => [
      `Attune : ${other.name}`,
      ...names.map((name) => compared(name, attune!.figures[name], other.figures[name])),
    ]),
  ];
}

/** For a terminal. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!);
  return rows.map((row) => `  ${row.map(cell).join('  ')}`).join('\n');
}

/** For a page. */
export function markdown([head, ...rows]: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`;
  const rule = `|---|${'---:|'.repeat(head!.length - 1)}`;
  return [line(head!), rule, ...rows.map(line)].join('\n');
}
