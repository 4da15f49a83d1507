/** Bad input: exit code, code, place, value and fix; and nothing is left behind. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { attune, errorOf } from './attune.ts';

export interface Refusal {
  readonly name: string;
  /** Makes in a folder with good data and a good recipe what is bad; returns the words after `attune`. */
  readonly make: (folder: string) => readonly string[];
  /** Parts of the error's texts. */
  readonly says: {
    readonly code: string;
    readonly where: string;
    readonly problem: string;
    readonly fix: string;
  };
  readonly exit?: number;
}

export async function expectRefusal({ make, says, exit = 2 }: Refusal, folder: string): Promise<void> {
  const words = make(folder);
  const finished = await attune([...words, '--json'], { cwd: folder });
  const { code, where, problem, fix } = errorOf(finished);
  const told = { exit: finished.code, code, where, problem, fix };
  expect(told).toEqual({
    exit,
    code: says.code,
    where: expect.stringContaining(says.where),
    problem: expect.stringContaining(says.problem),
    fix: expect.stringContaining(says.fix),
  });
  expect(existsSync(join(folder, 'run')), 'a run folder is left behind').toBe(false);
}
