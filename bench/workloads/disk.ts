/** What an installation takes: the packed package in an empty folder, and the packages that the reference needs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figures } from '../figures.ts';
import { runReference } from '../sides.ts';
import type { Place, Workload } from '../workload.ts';

const root = join(import.meta.dirname, '../..');

export const disk: Workload = {
  about:
    'Bytes of all files: `npm install` of the packed package without development packages; PyTorch, Transformers and ' +
    'PEFT with what they depend on, without anything of CUDA. Node and Python themselves are not counted.',
  primary: 'installed_bytes',
  once: true,
  cases: (place) => [
    {
      name: '',
      sides: [
        { name: 'Attune', measure: async () => attune(place) },
        {
          name: 'PyTorch, Transformers, PEFT',
          measure: async () => (await runReference('disk.py', {}, place)).object as Figures,
        },
      ],
    },
  ],
};

function attune({ folder }: Place): Figures {
  const here = mkdtempSync(join(folder, 'disk-'));
  const project = join(here, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true }\n');
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const npm = (cwd: string, ...words: string[]) => execFileSync('npm', words, { cwd, env, stdio: 'pipe' });
  npm(root, 'pack', '--pack-destination', here);
  const archive = readdirSync(here).find((name) => name.endsWith('.tgz'))!;
  npm(project, 'install', '--omit=dev', '--no-audit', '--no-fund', join(here, archive));
  return { installed_bytes: bytesBelow(join(project, 'node_modules')) };
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
