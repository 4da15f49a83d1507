import type { CheckedFile, DataCheck } from '../../recipes/dataCheck/dataCheck.node.ts';
import type { Colors } from '../console.ts';
import { count } from '../figures.ts';

const SHOWN_PROBLEMS = 20;
const SHOWN_LABELS = 20;
const BAR_WIDTH = 20;

/** What `attune data check` shows people. */
export function dataCheckText(check: DataCheck, colors: Colors): string {
  const blocks = [...check.files.map((file) => fileText(file, colors)), problemsText(check, colors)];
  const warnings = check.warnings.map(
    ({ where, problem, fix }) => `${colors.yellow('warning')} ${where}: ${problem}\n  ${colors.green('fix:')} ${fix}`,
  );
  return [...blocks, warnings.join('\n'), verdict(check, colors)].filter((text) => text !== '').join('\n\n');
}

function fileText(file: CheckedFile, colors: Colors) {
  const { path, use, rows, problemCount, labels, turns, duplicates, characters } = file;
  const { bold, dim, green, red } = colors;
  const state = problemCount === 0 ? green('ok') : red(many(problemCount, 'problem'));
  const title = [bold(path), ...(use ? [use] : []), many(rows, 'row'), state].join('  ');
  if (!characters) return title;
  const { exact, near } = duplicates;
  const { min, median, p95, max } = characters;
  const lengths = `min ${count(min)}  median ${count(median)}  p95 ${count(p95)}  max ${count(max)}`;
  return [
    title,
    ...labelLines(labels, colors).map((line, i) => `  ${dim((i === 0 ? 'labels' : '').padEnd(10))}  ${line}`),
    ...(turns ? [`  ${dim('turns'.padEnd(10))}  ${turnsText(turns)}`] : []),
    `  ${dim('duplicates')}  ${count(exact)} exact, ${count(near)} near`,
    `  ${dim('characters')}  ${lengths}`,
  ].join('\n');
}

function turnsText({ format, user, assistant, trained, toolCalls }: NonNullable<CheckedFile['turns']>): string {
  const learned = trained === assistant ? '' : `, of which ${count(trained)} are learned from`;
  const calls = toolCalls > 0 ? `, ${many(toolCalls, 'tool call')}` : '';
  return `${count(user)} of the user, ${count(assistant)} of the assistant${learned}${calls}  (${format})`;
}

function labelLines(labels: CheckedFile['labels'], { cyan, dim }: Colors): string[] {
  const shown = labels.slice(0, SHOWN_LABELS);
  const names = shown.map(({ label }) => shortened(label));
  const width = Math.max(...names.map(columnsOf));
  const most = Math.max(...shown.map((label) => label.count));
  const digits = count(most).length;
  const lines = shown.map((label, i) => {
    const name = `${names[i]}${' '.repeat(width - columnsOf(names[i]!))}`;
    const bar = '█'.repeat(Math.max(1, Math.round((label.count / most) * BAR_WIDTH))).padEnd(BAR_WIDTH);
    const share = `${(100 * label.share).toFixed(1).padStart(5)} %`;
    return `${name}  ${cyan(bar)}  ${count(label.count).padStart(digits)}  ${dim(share)}`;
  });
  const further = labels.length - shown.length;
  return further > 0 ? [...lines, dim(`and ${many(further, 'further label')}`)] : lines;
}

function shortened(label: string): string {
  const characters = Array.from(label.replace(/\p{Cc}/gu, ' '));
  return characters.length > 24 ? `${characters.slice(0, 23).join('')}…` : characters.join('');
}

/** Columns of a terminal: a character of East Asian scripts takes two. */
function columnsOf(text: string): number {
  return Array.from(text).reduce((sum, character) => sum + (wide.test(character) ? 2 : 1), 0);
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]/;

function problemsText({ files }: DataCheck, { dim, green, red }: Colors): string {
  const total = files.reduce((sum, { problemCount }) => sum + problemCount, 0);
  const shown = files.flatMap(({ problems }) => problems).slice(0, SHOWN_PROBLEMS);
  const lines = shown.map(
    ({ code, where, problem, fix }) =>
      `${red('problem')} ${where}: ${problem}\n  ${green('fix:')} ${fix}${dim(`  [${code}]`)}`,
  );
  const further = total - shown.length;
  return [...lines, ...(further > 0 ? [`and ${many(further, 'further problem')}`] : [])].join('\n');
}

function verdict({ files, warnings, ok }: DataCheck, { green, red }: Colors): string {
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  const total = files.reduce((sum, { problemCount }) => sum + problemCount, 0);
  const warned = warnings.length > 0 ? `, ${many(warnings.length, 'warning')}` : '';
  if (ok) return `${green('ok')}: ${many(rows, 'row')} in ${many(files.length, 'file')}${warned}`;
  const bad = files.filter(({ problemCount }) => problemCount > 0).length;
  return `${red('not ok')}: ${many(total, 'problem')} in ${bad} of ${many(files.length, 'file')}${warned}`;
}

function many(number: number, thing: string): string {
  return `${count(number)} ${thing}${number === 1 ? '' : 's'}`;
}
