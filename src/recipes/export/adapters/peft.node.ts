/** The adapter alone as a PEFT folder: as it is, or converted from AdapterHub's or MLX-LM's. */
import { join } from 'node:path';
import { AttuneError } from '../../../errors/index.ts';
import type { ModelDescription } from '../../../models/index.ts';
import {
  ADAPTER_CONFIG,
  type Adapter,
  hasPeftForm,
  otherForms,
  writePeftFolder,
} from '../../../store/adapters/index.ts';
import { writeJson } from '../../../store/runs/atomic.node.ts';
import type { RunTask } from '../../train/tasks/index.ts';
import { readTensors } from '../tensors.ts';
import { baseName, basePath, copyFiles, nameBaseInManifest } from './adapterFiles.node.ts';
import { withHead } from './baseHead.node.ts';

/** The adapter of a target, where PEFT has its method. */
export function peftAdapter(adapter: Adapter | undefined, where: string): Adapter {
  if (adapter && hasPeftForm(adapter.method)) return adapter;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `${where} --to peft`,
    problem: adapter ? `PEFT has no method like '${adapter.method.name}'` : 'it is a whole model, not an adapter',
    fix: otherForms('peft', adapter?.method),
  });
}

interface Owner {
  /** The base's folder. */
  readonly base: string;
  readonly description: ModelDescription;
  readonly task: RunTask;
}

const OWN_FILES = /^(adapter_.*|attune\.json)$/;

/** What another program saved in its own way is written anew. */
export async function writePeft(folder: string, adapter: Adapter, owner: Owner): Promise<void> {
  if (!adapter.peft) return await convert(folder, adapter, owner);
  await copyFiles(adapter.folder, folder, OWN_FILES);
  const base = basePath(adapter);
  if (base === undefined) return;
  await writeJson(join(folder, ADAPTER_CONFIG), { ...adapter.peft, base_model_name_or_path: base });
  await nameBaseInManifest(folder, adapter, base);
}

async function convert(folder: string, adapter: Adapter, { base, description, task }: Owner): Promise<void> {
  const headModules = task.headModules({ description });
  await writePeftFolder(folder, {
    method: adapter.method,
    taskType: task.peftTask,
    baseName: baseName(adapter),
    tensors: await withHead(await readTensors(await adapter.open()), { base, headModules }),
    facts: description.architecture,
    headModules,
  });
}
