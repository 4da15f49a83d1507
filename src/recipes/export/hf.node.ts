/** A Hugging Face folder with every weight, whatever method trained it. */
import { join } from 'node:path';
import { MANIFEST, type ModelNotes } from '../../store/adapters/index.ts';
import { writeJson } from '../../store/runs/atomic.node.ts';
import { writeModel } from '../../store/runs/index.ts';
import { classifierConfig, classifierFiles } from '../classifierConfig.ts';
import type { PlainModel } from './plainModel.node.ts';

export async function writeHuggingFace(folder: string, model: PlainModel): Promise<void> {
  const { source, labels, tensors, threshold, maxLength } = model;
  const config = classifierConfig(source, labels);
  await writeModel(folder, { config, tensors, tokenizerFolder: source.folder, texts: classifierFiles(source) });
  const notes: ModelNotes = { format: 1, kind: 'model', threshold, max_length: maxLength };
  await writeJson(join(folder, MANIFEST), notes);
}
