/** The best weights of a run in its folder, and back: the whole model, or the part that a partial method trained. */
import { basename, join } from 'node:path';
import type { Checkpoint } from '../../../files/index.ts';
import { openCheckpoint } from '../../../files/modelFolder.node.ts';
import { fingerprintOf } from '../../../inference/fingerprint.ts';
import { MANIFEST, type Manifest, type ModelNotes, readAdapter, writeAdapter } from '../../../store/adapters/index.ts';
import { refuseFullDisk, writeModel, writeTexts } from '../../../store/runs/index.ts';
import { valuesOf } from '../../../training/index.ts';
import { ADAPTER_FOLDER, identify, MODEL_FOLDER } from '../../target.node.ts';
import { refuseNotFiniteWeights } from '../guarding/notFinite.ts';
import { bestBytes } from '../resume/space.ts';
import type { Running } from '../train.node.ts';
import { expectFingerprint, expectTensors } from './reopened.ts';
import { chatFiles, chatNotes } from './savedChat.ts';

const isWhole = ({ recipe }: Pick<Running, 'recipe'>): boolean => recipe.method.name === 'full';

/** The folder of what was trained, in the run's folder. */
export const savedFolder = (running: Pick<Running, 'recipe' | 'folder'>): string =>
  join(running.folder.path, isWhole(running) ? MODEL_FOLDER : ADAPTER_FOLDER);

const tensorsOf = ({ model }: Running) =>
  model.parameters
    .filter(({ trainable, added }) => trainable || added || model.isWhole)
    .map(({ name, shape }) => ({ name, dtype: 'float32' as const, shape, data: valuesOf(model.memory, name) }));

/** What was saved before stays until the new one is whole on the disk, and was read back. */
export async function saveBest(running: Running): Promise<void> {
  const { folder, model } = running;
  const tensors = tensorsOf(running);
  refuseNotFiniteWeights(tensors);
  await refuseFullDisk(folder.path, { what: 'the best model', bytes: bestBytes(model) });
  await (isWhole(running) ? saveModel(running, tensors) : saveAdapter(running, tensors));
}

async function saveModel(running: Running, tensors: ReturnType<typeof tensorsOf>): Promise<void> {
  const { folder, source, task, data } = running;
  const saved = { config: task.modelConfig(source, data), tensors, tokenizerFolder: source.folder };
  await folder.replaceFolder(MODEL_FOLDER, async (path) => {
    await writeModel(path, { ...saved, texts: { ...task.modelFiles?.(source), ...chatFiles(running) } });
    await expectTensors(await openCheckpoint(path), tensors, savedFolder(running));
  });
}

async function saveAdapter(running: Running, tensors: ReturnType<typeof tensorsOf>): Promise<void> {
  const { recipe, baseName, baseReference = baseName, source, task, data, model, initial, folder } = running;
  const { architecture, config } = source.description;
  const manifest: Manifest = {
    format: 1,
    task: recipe.task,
    method: model.method,
    labels: [...data.labels],
    max_length: data.maxLength,
    base: await identify(source.folder, { name: baseName, reference: baseReference }),
    tensors: Object.fromEntries(tensors.map(({ name, shape }) => [name, [...shape]])),
    fingerprint: await fingerprintOf(model.scorer, source.description),
    ...(data.chat && { chat: chatNotes(data.chat) }),
  };
  const saved = {
    method: model.method,
    manifest,
    tensors,
    exported: await model.exported(),
    facts: architecture,
    model: { type: architecture.modelType, className: task.className(source), hiddenSize: config.hidden_size },
    headModules: [...task.headModules(source), ...model.besideHead],
    weights: model.parameters,
    taskType: task.peftTask,
    earlier: initial,
  };
  await folder.replaceFolder(ADAPTER_FOLDER, async (path) => {
    await writeAdapter(path, saved);
    await writeTexts(path, chatFiles(running));
    const where = savedFolder(running);
    const reopened = (await readAdapter(path))!;
    await expectTensors(await reopened.open(), tensors, where);
    // The file holds the very weights that are in memory: what these answer, the adapter answers.
    expectFingerprint(await fingerprintOf(model.scorer, source.description), reopened.manifest!, where);
  });
}

/** Notes the threshold beside the saved weights, so that whoever opens them answers by it. */
export async function saveThreshold(running: Running, threshold: number): Promise<void> {
  const path = savedFolder(running);
  const notes: ModelNotes | Manifest = isWhole(running)
    ? { format: 1, kind: 'model', threshold }
    : { ...(await readAdapter(path))!.manifest!, threshold };
  await running.folder.replaceFile(join(basename(path), MANIFEST), [`${JSON.stringify(notes, null, 2)}\n`]);
}

/** Reads the saved weights back into memory. */
export async function restoreBest(running: Running): Promise<void> {
  const checkpoint = await openSaved(running);
  for (const name of checkpoint.names) await checkpoint.readFloats(name, valuesOf(running.model.memory, name));
  await checkpoint.close();
}

async function openSaved(running: Running): Promise<Checkpoint> {
  const path = savedFolder(running);
  return isWhole(running) ? await openCheckpoint(path) : await (await readAdapter(path))!.open();
}
