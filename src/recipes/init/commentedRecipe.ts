import { stringify } from 'yaml';
import { type Declared, declaredAt, declaredRecipe } from '../schema/declaration.ts';
import { commentOf } from './comments.ts';
import type { Line, Paths, Template } from './template.ts';

const WIDTH = 100;

/** The recipe of a template as text: above each setting stands what its declaration says of it. */
export function commentedRecipe(template: Template, paths: Paths): string {
  const root = declaredRecipe();
  const opening = template.opening(paths).flatMap(openingLines);
  const blocks = inGroups(template.lines(paths)).map(([group, lines]) => {
    const head = group === undefined ? [] : [...commentLines(group, root, template), `${group}:`];
    return [...head, ...lines.flatMap((line) => settingLines(line, root, template))].join('\n');
  });
  return `${[opening.join('\n'), ...blocks].join('\n\n')}\n`;
}

/** Commands, which are indented, are not broken. */
function openingLines(text: string): string[] {
  if (text === '') return ['#'];
  return text.startsWith('  ') ? [`# ${text}`] : commented(text, '');
}

/** Settings of one group stand together under its name; one at the top stands alone. */
function inGroups(lines: readonly Line[]): (readonly [string | undefined, Line[]])[] {
  const groups: (readonly [string | undefined, Line[]])[] = [];
  for (const line of lines) {
    const group = line.key.includes('.') ? line.key.split('.', 1)[0] : undefined;
    const last = groups.at(-1);
    if (group !== undefined && last?.[0] === group) last[1].push(line);
    else groups.push([group, [line]]);
  }
  return groups;
}

function commentLines(key: string, root: Declared, { language }: Template): string[] {
  const comment = commentOf({ key, declared: declaredFor(key, root), tellsDefault: false }, language);
  return comment.flatMap((text) => commented(text, ''));
}

function settingLines(line: Line, root: Declared, { language }: Template): string[] {
  const { key, isOffered, note = [] } = line;
  const declared = declaredFor(key, root);
  const value = line.value ?? declared.default;
  if (value === undefined) throw new Error(`internal: ${key} has no default, so a template says its value`);
  const indent = key.includes('.') ? '  ' : '';
  const tellsDefault = value !== declared.default;
  const comment = commentOf({ key, declared, tellsDefault }, language);
  const written = `${indent}${isOffered ? '#' : ''}${key.split('.').at(-1)}: ${valueText(value)}`;
  return [...comment, ...note].flatMap((text) => commented(text, indent)).concat(written);
}

function declaredFor(key: string, root: Declared): Declared {
  const path = key.split('.');
  const declared = declaredAt(root, path, {});
  const around = declaredAt(root, path.slice(0, -1), {});
  if (declared === around) throw new Error(`internal: a template names ${key}, which is no setting`);
  return declared;
}

/** Lines of at most 100 columns, broken at spaces and after 、; what has neither stays whole. */
function commented(text: string, indent: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(/ |(?<=、)/)) {
    const last = lines.at(-1) ?? `${indent}#`;
    const longer = `${last}${last.endsWith('、') ? '' : ' '}${word}`;
    if (lines.length > 0 && columnsOf(longer) <= WIDTH) lines[lines.length - 1] = longer;
    else lines.push(`${indent}# ${word}`);
  }
  return lines;
}

/** A Chinese character takes two. */
const columnsOf = (text: string): number => text.replace(/[^\p{ASCII}]/gu, '__').length;

function valueText(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trimEnd();
}
