/** The adapter alone as a folder of AdapterHub's library: as it is, or converted from PEFT's or MLX-LM's. */
import { AttuneError } from '../../../errors/index.ts';
import type { ModelDescription } from '../../../models/index.ts';
import {
  type Adapter,
  type HubSaved,
  hasHubPlaces,
  nameHubBase,
  otherForms,
  plainForm,
  writeHubFolder,
} from '../../../store/adapters/index.ts';
import type { RunTask } from '../../train/tasks/index.ts';
import { readTensors } from '../tensors.ts';
import { baseName, basePath, blocksOf, copyFiles, nameBaseInManifest } from './adapterFiles.node.ts';
import { withHead } from './baseHead.node.ts';

interface Owner {
  /** The base's folder. */
  readonly base: string;
  readonly description: ModelDescription;
  readonly task: RunTask;
  /** None of a language model. */
  readonly labels: readonly string[];
}

const OWN_FILES = /^(attune\.json|(adapter|head)_config\.json|.*\.safetensors)$/;

export async function writeHub(folder: string, adapter: Adapter, owner: Owner): Promise<void> {
  if (!adapter.hub) return await convert(folder, adapter, owner);
  await copyFiles(adapter.folder, folder, OWN_FILES);
  const base = basePath(adapter);
  if (base === undefined) return;
  await nameHubBase(folder, base);
  await nameBaseInManifest(folder, adapter, base);
}

async function convert(folder: string, adapter: Adapter, { base, description, task, labels }: Owner): Promise<void> {
  const headModules = task.headModules({ description });
  const { method, open } = plainForm(adapter);
  const { architecture, config } = description;
  await writeHubFolder(folder, {
    method: method as HubSaved['method'],
    model: {
      name: baseName(adapter),
      type: architecture.modelType,
      className: task.className({ description }),
      hiddenSize: config.hidden_size,
    },
    labels,
    tensors: await withHead(await readTensors(await open()), { base, headModules }),
    headModules,
    blocks: blocksOf(description),
  });
}

/** What AdapterHub's library can hold; its own folders leave as they are. */
export function hubAdapter(adapter: Adapter | undefined, { where, modelType }: { where: string; modelType: string }) {
  const name = adapter && plainForm(adapter).method.name;
  if (adapter && (adapter.hub || ((name === 'lora' || name === 'adapter') && hasHubPlaces(modelType)))) return adapter;
  const known = name === 'lora' || name === 'adapter';
  const method = known
    ? `it has no places in a model of the type ${modelType}`
    : `no method like '${name}' is written for it`;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `${where} --to adapterhub`,
    problem: adapter
      ? `AdapterHub's library cannot hold this adapter: ${method}`
      : 'it is a whole model, not an adapter',
    fix: otherForms('adapterhub', adapter?.method),
  });
}
