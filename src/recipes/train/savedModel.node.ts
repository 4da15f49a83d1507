/** The best weights of a run in its folder `model/`, and back. */
import { join } from 'node:path';
import { openCheckpoint } from '../../files/modelFolder.node.ts';
import { writeModel } from '../../store/runs/index.ts';
import { valuesOf } from '../../training/index.ts';
import type { Running } from './train.node.ts';

export const MODEL_FOLDER = 'model';

export async function saveModel({ folder, source, data, model }: Running): Promise<void> {
  const tensors = [...model.shapes].map(([name, shape]) => ({
    name,
    dtype: 'float32' as const,
    shape,
    data: valuesOf(model.memory, name),
  }));
  const config = configOf(
    source.configFields,
    source.description.architecture.classifier.architectureName,
    data.labels,
  );
  const saved = { config, tensors, tokenizerFolder: source.folder };
  await folder.replaceFolder(MODEL_FOLDER, (path) => writeModel(path, saved));
}

/** config.json as Transformers writes it for a model with a classification head. */
function configOf(fields: Readonly<Record<string, unknown>>, architecture: string, labels: readonly string[]) {
  const { _name_or_path: _, ...kept } = fields;
  return {
    ...kept,
    architectures: [architecture],
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type: 'single_label_classification',
    dtype: 'float32',
  };
}

/** Reads the saved weights back into memory. */
export async function restoreModel({ folder, model }: Running): Promise<void> {
  const checkpoint = await openCheckpoint(join(folder.path, MODEL_FOLDER));
  for (const name of model.shapes.keys()) await checkpoint.readFloats(name, valuesOf(model.memory, name));
  await checkpoint.close();
}
