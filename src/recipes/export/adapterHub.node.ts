/** The adapter alone as a folder of AdapterHub's library: as it is, or converted from PEFT's or MLX-LM's. */
import { copyFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import type { ModelDescription } from '../../models/index.ts';
import {
  type Adapter,
  type HubSaved,
  hasHubPlaces,
  MANIFEST,
  nameHubBase,
  plainForm,
  writeHubFolder,
} from '../../store/adapters/index.ts';
import { writeJson } from '../../store/runs/atomic.node.ts';
import { baseFolder } from '../target.node.ts';
import type { RunTask } from '../train/tasks/index.ts';
import { readTensors } from './tensors.ts';

interface Owner {
  readonly description: ModelDescription;
  readonly task: RunTask;
  /** None of a language model. */
  readonly labels: readonly string[];
}

const OWN_FILES = /^((adapter|head)_config\.json|.*\.safetensors|chat_template\.jinja|generation_config\.json)$/;

export async function writeHub(folder: string, adapter: Adapter, owner: Owner): Promise<void> {
  const found = baseFolder(adapter);
  const base = found === undefined ? undefined : resolve(found);
  if (!adapter.hub) return await convert(folder, adapter, { ...owner, baseName: base ?? adapter.baseReference });
  const names = (await readdir(adapter.folder)).filter((name) => OWN_FILES.test(name));
  for (const name of names) await copyFile(join(adapter.folder, name), join(folder, name));
  const { manifest } = adapter;
  // A path from the old folder, or from here, leads nowhere from the new one.
  if (base !== undefined) await nameHubBase(folder, base);
  const identity = manifest && { ...manifest.base, ...(base !== undefined && { name: base, reference: base }) };
  if (manifest) await writeJson(join(folder, MANIFEST), { ...manifest, base: identity });
}

interface Converting extends Owner {
  readonly baseName: string;
}

async function convert(folder: string, adapter: Adapter, owner: Converting): Promise<void> {
  const { description, task, labels, baseName } = owner;
  const { method, open } = plainForm(adapter);
  const { architecture, config } = description;
  await writeHubFolder(folder, {
    method: method as HubSaved['method'],
    model: {
      name: baseName,
      type: architecture.modelType,
      className: task.className({ description }),
      hiddenSize: config.hidden_size,
    },
    labels,
    tensors: await readTensors(await open()),
    headModules: task.headModules({ description }),
    blocks: blocksOf(description),
  });
}

/** As config.json of each family names them. */
const blocksOf = ({ config }: ModelDescription): number =>
  Number(Reflect.get(config, 'num_hidden_layers') ?? Reflect.get(config, 'n_layer'));

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
    fix: adapter ? 'export it --to peft, or write the whole model with --to hf' : 'write the whole model with --to hf',
  });
}
