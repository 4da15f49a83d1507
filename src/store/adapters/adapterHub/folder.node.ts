/** A folder of AdapterHub's library: adapter and head in files of their own, each with its configuration. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Checkpoint, joinFiles, type NamedTensor, safetensorsChunks } from '../../../files/index.ts';
import { joinOpened } from '../../../files/joinOpened.node.ts';
import { readJson } from '../../../files/modelFolder.node.ts';
import type { AdapterSettings } from '../../../methods/adapter.ts';
import type { LoraSettings } from '../../../methods/lora.ts';
import { liesIn } from '../../../methods/pattern.ts';
import { writeDurably } from '../../runs/atomic.node.ts';
import { noSafetensors } from '../noSafetensors.ts';
import type { HubConfig } from './checks.ts';
import { bottleneckFields, type HubModel, headFromLabels, hubConfig } from './config.ts';
import { openFused } from './fused.ts';
import { HEAD_CONFIG, type HubHead } from './head.node.ts';
import { attentionLetters } from './lora.ts';
import { hubLora } from './loraWriter.ts';
import { type HubPlaces, hubPlace, ownPlace, placesOf, requirePlaces } from './places.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter.safetensors';
const HEAD_WEIGHTS = 'model_head.safetensors';
const PICKLED_HEAD = 'pytorch_model_head.bin';

export const hasHubPlaces = (modelType: string): boolean => placesOf(modelType) !== undefined;

interface Opened {
  readonly file: HubConfig;
  readonly head: HubHead;
}

export async function openHubFolder(folder: string, { file, head }: Opened): Promise<Checkpoint> {
  const { name, model_type, config } = file;
  const places = requirePlaces(model_type, join(folder, CONFIG));
  const present = [WEIGHTS, HEAD_WEIGHTS].filter((file) => existsSync(join(folder, file)));
  const wanted = existsSync(join(folder, PICKLED_HEAD)) ? [WEIGHTS, HEAD_WEIGHTS] : [WEIGHTS];
  const missing = wanted.find((file) => !present.includes(file));
  if (missing) {
    throw noSafetensors(join(folder, missing), 'save the adapter again with save_adapter(…, use_safetensors=True)');
  }
  const renamed = (stored: string): string | undefined => {
    const own = head.ownName(stored);
    return own === undefined ? undefined : ownHubName(own, name, places);
  };
  const paths = present.map((file) => join(folder, file));
  const checkpoint = await joinOpened(paths, (files) => joinFiles(files, renamed));
  const slots = attentionLetters(config).map((letter) => 'qkv'.indexOf(letter));
  return places.fused && config['architecture'] === 'lora' ? openFused(checkpoint, places.fused, slots) : checkpoint;
}

export interface HubSaved {
  readonly method: AdapterSettings | LoraSettings;
  readonly model: HubModel;
  /** None of a language model. */
  readonly labels: readonly string[];
  readonly tensors: readonly NamedTensor[];
  readonly headModules: readonly string[];
  /** Of LoRA: number of the model's blocks. */
  readonly blocks?: number;
  readonly kept?: HubConfig | undefined;
}

export async function writeHubFolder(folder: string, saved: HubSaved): Promise<void> {
  const { method, model, labels, tensors, headModules, blocks = 0, kept } = saved;
  const places = requirePlaces(model.type, join(folder, CONFIG));
  const isHead = ({ name }: NamedTensor): boolean => liesIn(headModules, name);
  const own = tensors.filter((tensor) => !isHead(tensor));
  const added =
    method.name === 'lora'
      ? hubLora({ method, tensors: own, places, blocks })
      : { config: bottleneckFields(method, kept), tensors: own };
  const config = hubConfig(added.config, model, kept);
  const renamed = added.tensors.map((tensor) => ({ ...tensor, name: hubName(tensor.name, config.name, places) }));
  await writeDurably(join(folder, CONFIG), [jsonText(config)]);
  await writeDurably(join(folder, WEIGHTS), safetensorsChunks(renamed));
  if (headModules.length === 0) return;
  await writeDurably(join(folder, HEAD_CONFIG), [jsonText(headFromLabels(labels, model))]);
  await writeDurably(join(folder, HEAD_WEIGHTS), safetensorsChunks(tensors.filter(isHead)));
}

/** Names another base in both configurations. */
export async function nameHubBase(folder: string, base: string): Promise<void> {
  for (const file of [CONFIG, HEAD_CONFIG]) {
    const config = (await readJson(folder, file)) as object | undefined;
    if (config) await writeDurably(join(folder, file), [jsonText({ ...config, model_name: base })]);
  }
}

/** The library takes a scaling without a decimal point for no number at all. */
const jsonText = (value: object): string =>
  `${JSON.stringify(value, null, 2).replace(/("scaling": \d+)(?=[,\n])/, '$1.0')}\n`;

const hubName = (name: string, adapter: string, places: HubPlaces): string =>
  name
    .replace(/\.(lora_[AB])\.weight$/, `.loras.${adapter}.$1`)
    .replace(/^(.*)\.(adapter_\w+)\./, (_, place: string, part: string) => {
      const at = `${hubPlace(places, place)}.adapters.${adapter}.${part}.`;
      return part === 'adapter_down' ? `${at}0.` : at;
    });

/** What the library called its adapters before all of them had one name. */
const LEGACY = /\.(attention|layer)_text_(task|lang)_adapters\./;

/** Undefined for what belongs to another adapter of the model. */
export function ownHubName(stored: string, adapter: string, places: HubPlaces): string | undefined {
  const named = stored.replace(LEGACY, '.adapters.');
  const [place, kind, owner, rest] = /^(.*)\.(adapters|loras)\.([^.]+)\.(.*)$/.exec(named)?.slice(1) ?? [];
  if (place === undefined) return stored;
  if (owner !== adapter) return undefined;
  if (kind === 'loras') return `${place}.${rest}.weight`;
  return `${ownPlace(places, place)}.${rest!.replace('adapter_down.0.', 'adapter_down.')}`;
}
