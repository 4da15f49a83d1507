/** checkpoints/step-N: files that appear together, with a manifest that says what each of them must be. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { removeFolder, removeLeftovers, replaceFolder } from '../runs/atomic.node.ts';
import { linkFolder } from './linkFolder.node.ts';
import { check, type FileFacts, factsOf, writeManifest, writeWithFacts } from './manifest.node.ts';

/** The folder of all checkpoints, in the run's folder. */
export const CHECKPOINTS = 'checkpoints';
/** The part of a checkpoint that was there before; its large files cost no room of their own while they stay the same. */
export const LINKED = 'linked';

const nameOf = (step: number): string => `step-${step}`;

export interface CheckpointContent {
  /** By name, piece by piece. */
  readonly files: Readonly<Record<string, Iterable<Uint8Array | string>>>;
  /** A folder that belongs to the state, and whose files are never changed in place. */
  readonly linked?: string | undefined;
}

export interface StoredCheckpoint {
  readonly step: number;
  readonly folder: string;
  readonly files: Readonly<Record<string, FileFacts>>;
}

/** Writes a checkpoint beside its place, reads it back, and renames it. If that fails, the others stay as they were. */
export async function writeCheckpoint(root: string, step: number, { files, linked }: CheckpointContent): Promise<void> {
  await mkdir(root, { recursive: true });
  await replaceFolder(join(root, nameOf(step)), async (folder) => {
    const facts: Record<string, FileFacts> = {};
    for (const [name, pieces] of Object.entries(files)) facts[name] = await writeWithFacts(join(folder, name), pieces);
    for (const name of linked === undefined ? [] : await linkFolder(linked, join(folder, LINKED))) {
      facts[`${LINKED}/${name}`] = await factsOf(join(folder, LINKED, name));
    }
    await writeManifest(folder, { format: 1, step, files: facts });
    const { fault } = await check(folder, step);
    if (fault) throw notAsWritten(join(root, nameOf(step)), fault);
  });
}

function notAsWritten(where: string, problem: string): AttuneError {
  const fix = 'check the disk; what was saved before is kept, and --resume goes on from it';
  return new AttuneError({ code: 'SAVE_FAULTY', where, problem, fix });
}

export interface Damaged {
  readonly step: number;
  readonly fault: string;
}

export interface Found {
  /** The one with the highest step that is whole. Times of files say nothing: they change with copies and clocks. */
  readonly newest?: StoredCheckpoint;
  /** Those with higher steps, which cannot be used. */
  readonly damaged: readonly Damaged[];
}

export async function findCheckpoints(root: string): Promise<Found> {
  const damaged: Damaged[] = [];
  for (const step of await stepsIn(root)) {
    const folder = join(root, nameOf(step));
    const { files, fault } = await check(folder, step);
    if (!fault) return { newest: { step, folder, files }, damaged };
    damaged.push({ step, fault });
  }
  return { damaged };
}

/** Keeps the `limit` highest steps; those that are known to be damaged go first. */
export async function pruneCheckpoints(root: string, limit: number, damaged: readonly number[]): Promise<void> {
  const steps = await stepsIn(root);
  const whole = steps.filter((step) => !damaged.includes(step));
  const kept = new Set(whole.slice(0, limit));
  for (const step of steps.filter((one) => !kept.has(one))) {
    await removeFolder(join(root, nameOf(step)));
  }
}

/** What a killed program left half written or half removed. Only who holds the run's lock may call this. */
export const cleanCheckpoints = (root: string): Promise<void> => removeLeftovers(root);

/** Highest first. */
async function stepsIn(root: string): Promise<number[]> {
  const names = await readdir(root).catch(() => []);
  const steps = names.flatMap(
    (name) =>
      name
        .match(/^step-(\d+)$/)
        ?.slice(1)
        .map(Number) ?? [],
  );
  return steps.sort((a, b) => b - a);
}
