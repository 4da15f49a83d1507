/** The adapter alone as a PEFT folder: as it is, or converted from AdapterHub's or MLX-LM's. */
import { copyFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import type { ModelDescription } from '../../models/index.ts';
import { ADAPTER_CONFIG, type Adapter, hasPeftForm, MANIFEST, writePeftFolder } from '../../store/adapters/index.ts';
import { writeJson } from '../../store/runs/atomic.node.ts';
import { baseFolder } from '../target.node.ts';
import type { RunTask } from '../train/tasks/index.ts';
import { readTensors } from './tensors.ts';

/** The adapter of a target, where PEFT has its method. */
export function peftAdapter(adapter: Adapter | undefined, where: string): Adapter {
  if (adapter && hasPeftForm(adapter.method)) return adapter;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `${where} --to peft`,
    problem: adapter ? `PEFT has no method like '${adapter.method.name}'` : 'it is a whole model, not an adapter',
    fix: 'write the whole model with --to hf',
  });
}

interface Owner {
  readonly description: ModelDescription;
  readonly task: RunTask;
}

/** What another program saved in its own way is written anew. */
export async function writePeft(folder: string, adapter: Adapter, owner: Owner): Promise<void> {
  if (!adapter.peft) return await convert(folder, adapter, owner);
  for (const name of await readdir(adapter.folder)) {
    if (/^(adapter_.*|attune\.json|chat_template\.jinja|generation_config\.json)$/.test(name))
      await copyFile(join(adapter.folder, name), join(folder, name));
  }
  const base = baseFolder(adapter);
  if (base) await nameBase(folder, adapter, resolve(base));
}

async function convert(folder: string, adapter: Adapter, { description, task }: Owner): Promise<void> {
  const { method, baseReference } = adapter;
  const base = baseFolder(adapter);
  const baseName = base === undefined ? baseReference : resolve(base);
  await writePeftFolder(folder, {
    method,
    taskType: task.peftTask,
    baseName,
    tensors: await readTensors(await adapter.open()),
    facts: description.architecture,
    headModules: task.headModules({ description }),
  });
}

/** A path from the old folder, or from here, leads nowhere from the new one. */
async function nameBase(folder: string, { peft, manifest }: Adapter, base: string): Promise<void> {
  const write = (name: string, value: object): Promise<void> => writeJson(join(folder, name), value);
  await write(ADAPTER_CONFIG, { ...peft, base_model_name_or_path: base });
  if (manifest) await write(MANIFEST, { ...manifest, base: { ...manifest.base, name: base, reference: base } });
}
