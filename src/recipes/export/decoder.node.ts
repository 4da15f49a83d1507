/** A folder for transformers.js to generate with: config, tokenizer with its chat template, ends, onnx/model*.onnx. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson } from '../../files/modelFolder.node.ts';
import { chatBeside, chatTemplateOf, otherTokens } from '../../inference/chatTemplate.node.ts';
import type { FloatTensor } from '../../inference/merged.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { writeDurably, writeJson } from '../../store/runs/atomic.node.ts';
import { copyTokenizer } from '../../store/runs/index.ts';
import { answerEnds } from '../answerEnds.node.ts';
import type { Target } from '../target.node.ts';
import { runTasks } from '../train/tasks/index.ts';
import { decoderGraph } from './decoderGraph.ts';
import type { Precision } from './inferenceGraph.ts';
import { fileNames } from './onnx.node.ts';

interface Plain {
  readonly source: ModelSource;
  readonly tensors: readonly FloatTensor[];
  readonly precisions: readonly Precision[];
}

export async function writeDecoder(folder: string, target: Target, plain: Plain): Promise<void> {
  const { source, tensors, precisions } = plain;
  await copyTokenizer(source.folder, folder);
  await writeJson(join(folder, 'tokenizer_config.json'), await tokenizerConfig(target, source));
  await writeJson(join(folder, 'generation_config.json'), await generationConfig(target, source));
  await writeJson(join(folder, 'config.json'), modelConfig(plain));
  await mkdir(join(folder, 'onnx'));
  for (const precision of precisions) {
    const bytes = decoderGraph({ description: source.description, tensors }, precision);
    await writeDurably(join(folder, 'onnx', fileNames[precision]), [bytes]);
  }
}

/** transformers.js reads the template there and nowhere else, and cuts prompts to this length. */
async function tokenizerConfig({ adapter }: Target, source: ModelSource): Promise<object> {
  const template = await chatTemplateOf(source, { tools: false, beside: adapter?.folder });
  const own = adapter && (await chatBeside(adapter.folder));
  return {
    ...source.tokenizerFields,
    ...(own && otherTokens(own, source)),
    model_max_length: source.description.config.max_position_embeddings,
    ...(template && { chat_template: template.text }),
  };
}

/** With every token that answers end with. */
async function generationConfig({ adapter }: Target, source: ModelSource): Promise<object> {
  const places = [adapter?.folder, source.folder].filter((place) => place !== undefined);
  const [own] = (await Promise.all(places.map((place) => readJson(place, 'generation_config.json')))).filter(Boolean);
  const ends = await answerEnds(source, adapter);
  return { ...(own as object | undefined), ...(ends.length > 0 && { eos_token_id: ends }) };
}

/** What older files leave out, transformers.js before version 4 asks for. */
function modelConfig({ source, precisions }: Plain): object {
  const known = ['num_key_value_heads', 'head_dim'].map((name) => [name, Reflect.get(source.description.config, name)]);
  const filled = Object.fromEntries(known.filter(([, value]) => value !== undefined));
  const only = precisions.includes('fp32') ? {} : { 'transformers.js_config': { dtype: 'q8' } };
  return { ...runTasks['causal-lm'].modelConfig(source, { labels: [] }), ...filled, ...only };
}
