/** An adapter alone, for PEFT or for MLX-LM. It is opened on its base first: what does not open is not passed on. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { openClassifier } from '../../inference/classifier.node.ts';
import { openLanguageModel } from '../../inference/languageModel.node.ts';
import { readModelFolder } from '../../inference/modelFolder.node.ts';
import { baseChangeOf } from '../../methods/index.ts';
import type { ModelDescription } from '../../models/index.ts';
import { type Adapter, plainForm, writeMlxFolder } from '../../store/adapters/index.ts';
import { taskOf } from '../kindOf.node.ts';
import { baseFolder, type Target } from '../target.node.ts';
import { runTasks } from '../train/tasks/index.ts';
import { peftAdapter, writePeft } from './peft.node.ts';
import { readTensors } from './tensors.ts';

export type AdapterForm = 'peft' | 'mlx';

interface AdapterExport {
  readonly form: AdapterForm;
  readonly reference: string;
}

/** What fills the folder. */
export async function adapterWriter(target: Target, { form, reference }: AdapterExport) {
  refuseChangedBase(target, { form, reference });
  const adapter = form === 'peft' ? peftAdapter(target.adapter, reference) : expectAdapter(target.adapter, reference);
  const { artifact, maxLength } = target;
  const { description } = await readModelFolder(artifact.folder);
  const task = await taskOf(target);
  const threads = availableParallelism();
  const opened =
    task === 'text-classification'
      ? await openClassifier(artifact, { threads, maxLength, batchSize: 1 })
      : await openLanguageModel(artifact, { threads });
  await opened[Symbol.asyncDispose]();
  if (form === 'peft') return (folder: string) => writePeft(folder, adapter, { description, task: runTasks[task] });
  return (folder: string) => writeMlx(folder, adapter, description);
}

/** Beside the base as its file has it the adapter would be another model. */
function refuseChangedBase({ adapter }: Target, { form, reference }: AdapterExport): void {
  const change = adapter && baseChangeOf(adapter.method);
  if (change === undefined) return;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `${reference} --to ${form}`,
    problem: `it stands beside a base that was rounded with it (${change}), which other programs do not have`,
    fix: 'write the whole model with --to hf, or attune merge: the base is in it as it was rounded',
  });
}

async function writeMlx(folder: string, adapter: Adapter, { config }: ModelDescription): Promise<void> {
  const { method, open } = plainForm(adapter);
  const base = baseFolder(adapter);
  const baseName = base === undefined ? adapter.baseReference : resolve(base);
  const tensors = await readTensors(await open());
  const blocks = Number(Reflect.get(config, 'num_hidden_layers'));
  await writeMlxFolder(folder, { method, baseName, tensors, blocks, kept: adapter.mlx });
}

function expectAdapter(adapter: Adapter | undefined, where: string): Adapter {
  if (adapter) return adapter;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `${where} --to mlx`,
    problem: 'it is a whole model, not an adapter',
    fix: 'write the whole model with --to hf, which MLX-LM opens',
  });
}
