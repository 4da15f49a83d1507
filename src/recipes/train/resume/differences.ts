/** How a run that is to go on differs from the one that began, and what follows from that. */
import { AttuneError } from '../../../errors/index.ts';
import type { Identity } from './identity.node.ts';

export interface Difference {
  readonly key: string;
  readonly before: string;
  readonly now: string;
  /** The saved state would mean something else: no flag allows that. */
  readonly isFinal: boolean;
}

/** A model is another function, or its answers cannot be compared with the earlier ones. */
const finalKeys = /^(task|init_from|method(\..*)?)$/;

export function settingDifferences(before: Identity['settings'], now: Identity['settings']): Difference[] {
  return compared(before, now).map((found) => ({ ...found, isFinal: finalKeys.test(found.key) }));
}

export function differences(before: Identity, now: Identity): Difference[] {
  const final = (found: Omit<Difference, 'isFinal'>[]) => found.map((one) => ({ ...one, isFinal: true }));
  const allowed = (found: Omit<Difference, 'isFinal'>[]) => found.map((one) => ({ ...one, isFinal: false }));
  return [
    ...settingDifferences(before.settings, now.settings),
    ...allowed(fileDifferences(before.data.train, now.data.train, 'data.train')),
    ...allowed(fileDifferences(before.data.validation, now.data.validation, 'data.validation')),
    ...final(compared({ 'validation rows': before.rows.validation }, { 'validation rows': now.rows.validation })),
    ...final(compared({ labels: before.labels }, { labels: now.labels })),
    ...final(compared({ 'steps per epoch': before.steps_per_epoch }, { 'steps per epoch': now.steps_per_epoch })),
    ...final(fileDifferences(before.base.weights, now.base.weights, 'model')),
    ...final(compared({ 'config.json': before.base.config }, { 'config.json': now.base.config })),
    ...final(compared({ 'tokenizer.json': before.base.tokenizer }, { 'tokenizer.json': now.base.tokenizer })),
    ...allowed(codeDifferences(before.code, now.code)),
  ];
}

type Values = Readonly<Record<string, unknown>>;

function compared(before: Values, now: Values): Omit<Difference, 'isFinal'>[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys]
    .map((key) => ({ key, before: shown(before[key]), now: shown(now[key]) }))
    .filter((pair) => pair.before !== pair.now);
}

/** Files that moved are the same files; what counts is what they hold, in their order. */
function fileDifferences(before: Values, now: Values, group: string): Omit<Difference, 'isFinal'>[] {
  if (Object.values(before).join() === Object.values(now).join()) return [];
  const found = compared(before, now);
  const moved = { key: 'order of files', before: Object.keys(before).join(', '), now: Object.keys(now).join(', ') };
  return (found.length > 0 ? found : [moved]).map((one) => ({ ...one, key: `${group} ${one.key}` }));
}

function codeDifferences(before: Identity['code'], now: Identity['code']): Omit<Difference, 'isFinal'>[] {
  const build = ({ attune, sha256 }: Identity['code']) => `${attune} (${sha256.slice(0, 12)})`;
  return compared({ attune: build(before), runtime: before.runtime }, { attune: build(now), runtime: now.runtime });
}

function shown(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[0-9a-f]{64}$/.test(value) ? `sha256 ${value.slice(0, 12)}` : value;
}

const lineOf = ({ key, before, now }: Difference): string => `${key}: ${before} -> ${now}`;

/** Throws RESUME_CHANGED unless all differences are allowed; returns the lines that tell of them. */
export function refuseChanges(found: readonly Difference[], outputDir: string, allowed: boolean): string[] {
  const final = found.filter(({ isFinal }) => isFinal);
  if (found.length === 0 || (allowed && final.length === 0)) return found.map(lineOf);
  // With a final one among them, the flag would not help: only the others depend on it.
  const told = allowed ? final : found;
  const fix =
    final.length > 0
      ? `resume with what the run began with, or start a new run in another output_dir; \`init_from: ${outputDir}\` starts from its weights`
      : 'resume with what the run began with, add --allow-changes, or choose another output_dir';
  throw changed(outputDir, told.map(lineOf), fix);
}

export function changed(outputDir: string, lines: readonly string[], fix: string): AttuneError {
  const problem = ['it is not the run that began:', ...lines].join('\n  ');
  return new AttuneError({ code: 'RESUME_CHANGED', where: `output_dir ${outputDir}`, problem, fix });
}
