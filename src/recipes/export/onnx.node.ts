/** A folder for transformers.js, and for whatever else runs ONNX: config, tokenizer, onnx/model*.onnx. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { requireJson } from '../../files/modelFolder.node.ts';
import { writeDurably, writeJson } from '../../store/runs/atomic.node.ts';
import { copyTokenizer } from '../../store/runs/index.ts';
import { classifierConfig } from '../classifierConfig.ts';
import { inferenceGraph, type Precision } from './inferenceGraph.ts';
import type { PlainModel } from './plainModel.node.ts';

/** Names by which transformers.js finds a `dtype`: `fp32` and `q8`. */
export const fileNames: Readonly<Record<Precision, string>> = { fp32: 'model.onnx', int8: 'model_quantized.onnx' };

export async function writeOnnx(folder: string, model: PlainModel, wanted: readonly Precision[]): Promise<void> {
  const { source, labels, maxLength } = model;
  await copyTokenizer(source.folder, folder);
  // transformers.js cuts texts to this length; what is longer than training's texts was never learned.
  const tokenizerConfig = (await requireJson(source.folder, 'tokenizer_config.json')) as object;
  await writeJson(join(folder, 'tokenizer_config.json'), { ...tokenizerConfig, model_max_length: maxLength });
  const only = wanted.includes('fp32') ? {} : { 'transformers.js_config': { dtype: 'q8' } };
  await writeJson(join(folder, 'config.json'), { ...classifierConfig(source, labels), ...only });
  await mkdir(join(folder, 'onnx'));
  for (const precision of wanted) {
    await writeDurably(join(folder, 'onnx', fileNames[precision]), [inferenceGraph(model, precision)]);
  }
}
