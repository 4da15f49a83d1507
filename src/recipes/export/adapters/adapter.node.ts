/** An adapter alone, for PEFT, AdapterHub or MLX-LM. It is opened on its base first: what does not open is not passed on. */
import { availableParallelism } from 'node:os';
import { AttuneError } from '../../../errors/index.ts';
import { openClassifier } from '../../../inference/classifier.node.ts';
import { openLanguageModel } from '../../../inference/languageModel.node.ts';
import { readModelFolder } from '../../../inference/modelFolder.node.ts';
import { baseChangeOf } from '../../../methods/index.ts';
import type { ModelDescription } from '../../../models/index.ts';
import { type Adapter, plainForm, writeMlxFolder } from '../../../store/adapters/index.ts';
import { taskOf } from '../../kindOf.node.ts';
import type { Target } from '../../target.node.ts';
import { type RunTask, runTasks } from '../../train/tasks/index.ts';
import { copyChat } from '../chatFiles.node.ts';
import { readTensors } from '../tensors.ts';
import { baseName, blocksOf } from './adapterFiles.node.ts';
import { hubAdapter, writeHub } from './adapterHub.node.ts';
import { peftAdapter, writePeft } from './peft.node.ts';

/** Forms of an adapter alone. */
export const adapterForms = ['peft', 'mlx', 'adapterhub'] as const;
type AdapterForm = (typeof adapterForms)[number];

interface AdapterExport {
  readonly form: AdapterForm;
  readonly reference: string;
}

/** What fills the folder. */
export async function adapterWriter(target: Target, { form, reference }: AdapterExport) {
  refuseChangedBase(target, { form, reference });
  const { artifact } = target;
  const { description } = await readModelFolder(artifact.folder);
  const adapter = heldAdapter(target, { form, reference, modelType: description.architecture.modelType });
  const task = runTasks[await taskOf(target)];
  const labels = await openedLabels(target, task);
  const owner = { base: artifact.folder, description };
  const writers = {
    peft: (folder: string) => writePeft(folder, adapter, { ...owner, task }),
    adapterhub: (folder: string) => writeHub(folder, adapter, { ...owner, task, labels }),
    mlx: (folder: string) => writeMlx(folder, adapter, description),
  };
  return async (folder: string): Promise<void> => {
    await writers[form](folder);
    await copyChat(adapter, folder);
  };
}

function heldAdapter(
  { adapter }: Target,
  { form, reference, modelType }: AdapterExport & { modelType: string },
): Adapter {
  if (form === 'peft') return peftAdapter(adapter, reference);
  return form === 'mlx' ? expectAdapter(adapter, reference) : hubAdapter(adapter, { where: reference, modelType });
}

/** What does not open is not passed on. A language model has no labels. */
async function openedLabels({ artifact, maxLength }: Target, { hasLabels }: RunTask): Promise<readonly string[]> {
  const threads = availableParallelism();
  if (hasLabels) {
    await using classifier = await openClassifier(artifact, { threads, maxLength, batchSize: 1 });
    return classifier.labels;
  }
  await using _ = await openLanguageModel(artifact, { threads });
  return [];
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

async function writeMlx(folder: string, adapter: Adapter, description: ModelDescription): Promise<void> {
  const { method, open } = plainForm(adapter);
  const tensors = await readTensors(await open());
  const own = { method, baseName: baseName(adapter), tensors, blocks: blocksOf(description), kept: adapter.mlx };
  await writeMlxFolder(folder, own);
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
