import { AttuneError } from '../../errors/index.ts';
import type { Preview, PreviewPiece, PreviewRow } from '../../recipes/dataPreview.node.ts';
import type { Call, Options } from '../command.ts';
import type { Colors } from '../console.ts';
import { count } from '../figures.ts';

const ROWS = 3;

interface Given {
  readonly rows: number | undefined;
  readonly html: string | undefined;
}

/** `attune data preview RECIPE`: each token as learned or only read. */
export async function preview(
  [file, ...overrides]: readonly string[],
  { rows = ROWS, html }: Given,
  { out, signal }: Pick<Call<Options>, 'out' | 'signal'>,
): Promise<number> {
  if (file === undefined || !Number.isInteger(rows) || rows < 1) throw wrongCall(file, rows);
  const { loadRecipe } = await import('../../recipes/schema/index.ts');
  const { previewData } = await import('../../recipes/dataPreview.node.ts');
  const found = await previewData(await loadRecipe(file, overrides), rows, signal);
  out.object(objectOf(found));
  out.text(previewText(found, out.colors));
  if (html !== undefined) {
    const { previewPage } = await import('../../recipes/report/index.ts');
    const { writeDurably } = await import('../../store/runs/atomic.node.ts');
    await writeDurably(html, [previewPage(found, file)]);
    out.text(`${out.colors.bold('page')} ${html}`);
  }
  return 0;
}

function wrongCall(file: string | undefined, rows: number): AttuneError {
  const problem = file === undefined ? 'no recipe is given' : `--rows is ${rows}`;
  const fix = file === undefined ? 'call: attune data preview RECIPE' : 'give a whole number of at least 1';
  return new AttuneError({ code: 'USAGE', where: 'attune data preview', problem, fix });
}

function objectOf({ task, template, rows, count: all, truncated, dropped, lostEnds, maxLength }: Preview): object {
  return { task, template, rows, count: all, truncated, dropped, lost_ends: lostEnds, max_length: maxLength };
}

function previewText(found: Preview, colors: Colors): string {
  const { bold, dim, green } = colors;
  const { template, rows, count: all, truncated, dropped, lostEnds, maxLength } = found;
  const blocks = rows.map((row) => `${headOf(row, colors)}\n${textOf(row, colors).trimEnd()}`);
  const facts = [
    `${count(rows.length)} of ${count(all)} training rows`,
    truncated > 0 && `${count(truncated)} cut to ${maxLength} tokens`,
    lostEnds > 0 && `${count(lostEnds)} ${lostEnds === 1 ? 'answer' : 'answers'} cut before the end`,
    dropped > 0 && `${count(dropped)} dropped`,
    template !== null && `written with ${template}`,
  ].filter((fact) => fact !== false);
  const marks = isPlain(colors) ? `${open}learned${close}` : green('learned');
  return [...blocks, `${bold('legend')} ${marks} ${dim('only read')}`, dim(facts.join(', '))].join('\n\n');
}

const headOf = ({ where, tokens, learned }: PreviewRow, { bold, dim }: Colors): string =>
  `${bold(where)}  ${dim(`${count(learned)} of ${count(tokens)} tokens are learned`)}`;

/** Without colours what is learned stands between marks. */
const [open, close] = ['⟦', '⟧'];
const isPlain = ({ green }: Colors): boolean => green('x') === 'x';

function textOf({ pieces }: PreviewRow, colors: Colors): string {
  return runsOf(pieces)
    .map(({ learned, text }) => (learned ? learnedText(text, colors) : linewise(text, colors.dim)))
    .join('');
}

const learnedText = (text: string, colors: Colors): string =>
  isPlain(colors) ? `${open}${text}${close}` : linewise(text, colors.green);

/** Colours end with their line: pagers forget them there. */
const linewise = (text: string, colour: (part: string) => string): string =>
  text
    .split('\n')
    .map((line) => (line === '' ? '' : colour(line)))
    .join('\n');

/** Neighbours of one kind together. */
function runsOf(pieces: readonly PreviewPiece[]): { learned: boolean; text: string }[] {
  const runs: { learned: boolean; text: string }[] = [];
  for (const { learned, text } of pieces) {
    const last = runs.at(-1);
    if (last?.learned === learned) last.text += text;
    else runs.push({ learned, text });
  }
  return runs;
}
