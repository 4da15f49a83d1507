/** PEFT may choose layers by their numbers beside the names of `target_modules`. Here that is one expression over the path. */

import { wrongField } from '../wrongField.ts';
import { cannotOpen, namingLayers } from './cannotOpen.ts';
import type { PeftConfig } from './forms.ts';

const fields = ['target_modules', 'layers_to_transform', 'layers_pattern'] as const;

/** The configuration with the numbers of layers in its targets. */
export function withNumbersInTargets(config: PeftConfig, where: string): PeftConfig {
  const numbers = numbersOf(config, where);
  const { target_modules: names, layers_to_transform: given } = config;
  if (numbers.length === 0) return withoutIdlePattern(config, where);
  if (Array.isArray(names))
    return { ...config, target_modules: expressionOf(names, numbers, patternsOf(config, where)) };
  const problem = `layers_to_transform is ${JSON.stringify(given)}, and target_modules is no list of names`;
  throw cannotOpen(where, problem, namingLayers);
}

/** What is written for the targets of settings, where an earlier file chose them by number, or other ones. */
export function numberFields(targets: unknown, kept: PeftConfig): PeftConfig {
  if ((kept['layers_to_transform'] ?? null) === null) return {};
  const isSame = withNumbersInTargets(kept, '')['target_modules'] === targets;
  // Beside an expression PEFT takes no numbers.
  if (!isSame) return { layers_to_transform: null, layers_pattern: null };
  return Object.fromEntries(fields.map((field) => [field, kept[field] ?? null]));
}

/** None: every layer. */
function numbersOf(config: PeftConfig, where: string): readonly number[] {
  const numbers = [config['layers_to_transform'] ?? []].flat();
  if (numbers.every((number) => Number.isInteger(number) && Number(number) >= 0)) return numbers as number[];
  const issue = { path: ['layers_to_transform'], message: 'it is a number of a layer, or a list of them' };
  throw wrongField(config, issue, where);
}

function patternsOf({ layers_pattern: given }: PeftConfig, where: string): readonly string[] {
  const patterns = [given ?? []].flat().filter((pattern) => pattern !== '');
  if (patterns.every((pattern) => /^[\w.]+$/.test(String(pattern)))) return patterns as string[];
  throw cannotOpen(where, `layers_pattern is ${JSON.stringify(given)}, which is read as a name alone`, namingLayers);
}

/** PEFT does not open these either. */
function withoutIdlePattern(config: PeftConfig, where: string): PeftConfig {
  const { layers_pattern: pattern, layers_to_transform: numbers = null } = config;
  if (numbers !== null || [pattern ?? []].flat().every((one) => one === '')) return config;
  const problem = `layers_pattern is ${JSON.stringify(pattern)}, and layers_to_transform names no layers of it`;
  throw cannotOpen(where, problem, 'write the numbers of the layers there, or null here');
}

/**
 * PEFT 0.21.2, check_target_module_exists: a whole path is chosen whatever its number; the end of a path if its number is one
 * of these. That is the first number in the path which follows a name that follows another; or, of the patterns, the first that
 * stands before a number anywhere.
 */
function expressionOf(names: readonly unknown[], numbers: readonly number[], patterns: readonly string[]): string {
  const ends = names.map((name) => escaped(String(name))).join('|');
  const number = `0*(?:${numbers.join('|')})`;
  const named = patterns.map((pattern, i) => {
    const earlier = patterns.slice(0, i).map((other) => String.raw`(?!(?:[^.]*\.)*${other}\.\d+\.)`);
    return String.raw`${earlier.join('')}(?=(?:(?!${pattern}\.\d+\.)[^.]*\.)*${pattern}\.${number}\.)`;
  });
  const first = String.raw`(?=[^.]*(?:\.(?![^.]*\.\d+\.)[^.]*)*\.[^.]*\.${number}\.)`;
  const isChosen = named.length > 0 ? `(?:${named.join('|')})` : first;
  return String.raw`${ends}|${isChosen}.*\.(?:${ends})`;
}

const escaped = (name: string): string => name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
