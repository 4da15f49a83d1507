/** A folder of AdapterHub's library: adapter and head in files of their own, each with its configuration. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openFile } from '../../../files/bytes.node.ts';
import {
  type Checkpoint,
  joinFiles,
  type NamedTensor,
  openSafetensors,
  safetensorsChunks,
} from '../../../files/index.ts';
import { readJson } from '../../../files/modelFolder.node.ts';
import type { AdapterSettings } from '../../../methods/adapter.ts';
import { writeDurably } from '../../runs/atomic.node.ts';
import { noSafetensors } from '../noSafetensors.ts';
import { type HubConfig, type HubModel, headFromLabels, hubFromSettings } from './config.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter.safetensors';
const HEAD_CONFIG = 'head_config.json';
const HEAD_WEIGHTS = 'model_head.safetensors';
/** The models whose sublayers have the places here that they have in the library. */
const sharedPlaces = new Set(['bert']);

export const hasHubForm = (methodName: string, modelType: string): boolean =>
  methodName === 'adapter' && sharedPlaces.has(modelType);

export async function openHubFolder(folder: string, { name }: HubConfig): Promise<Checkpoint> {
  const present = [WEIGHTS, HEAD_WEIGHTS].filter((file) => existsSync(join(folder, file)));
  if (!present.includes(WEIGHTS)) {
    throw noSafetensors(join(folder, WEIGHTS), 'save the adapter again with save_adapter(…, use_safetensors=True)');
  }
  const files = await Promise.all(present.map(async (file) => openSafetensors(await openFile(join(folder, file)))));
  return joinFiles(files, (stored) => ownHubName(stored, name));
}

/** The label names that a head was saved with, in the order of its outputs. */
export async function hubLabels(folder: string): Promise<string[] | undefined> {
  const head = (await readJson(folder, HEAD_CONFIG)) as { label2id?: Record<string, number> } | undefined;
  const entries = Object.entries(head?.label2id ?? {});
  return entries.length > 1 ? entries.sort(([, a], [, b]) => a - b).map(([label]) => label) : undefined;
}

export interface HubSaved {
  readonly method: AdapterSettings;
  readonly model: HubModel;
  readonly labels: readonly string[];
  readonly tensors: readonly NamedTensor[];
  readonly headModules: readonly string[];
  readonly kept?: HubConfig | undefined;
}

export async function writeHubFolder(folder: string, saved: HubSaved): Promise<void> {
  const { method, model, labels, tensors, headModules, kept } = saved;
  const config = hubFromSettings(method, model, kept);
  const isHead = ({ name }: NamedTensor): boolean => headModules.some((module) => name.startsWith(`${module}.`));
  const own = tensors.filter((tensor) => !isHead(tensor));
  const renamed = own.map((tensor) => ({ ...tensor, name: hubName(tensor.name, config.name) }));
  await writeDurably(join(folder, CONFIG), [jsonText(config)]);
  await writeDurably(join(folder, WEIGHTS), safetensorsChunks(renamed));
  await writeDurably(join(folder, HEAD_CONFIG), [jsonText(headFromLabels(labels, model))]);
  await writeDurably(join(folder, HEAD_WEIGHTS), safetensorsChunks(tensors.filter(isHead)));
}

/** The library takes a scaling without a decimal point for no number at all. */
const jsonText = (value: object): string =>
  `${JSON.stringify(value, null, 2).replace(/("scaling": \d+)(?=[,\n])/, '$1.0')}\n`;

const hubName = (name: string, adapter: string): string =>
  name.replace(/\.(adapter_\w+)\./, (_, part: string) => {
    return part === 'adapter_down' ? `.adapters.${adapter}.${part}.0.` : `.adapters.${adapter}.${part}.`;
  });

/** Undefined for what belongs to another adapter of the model. */
export function ownHubName(stored: string, adapter: string): string | undefined {
  const [place, kind, owner, rest] = /^(.*)\.(adapters|loras)\.([^.]+)\.(.*)$/.exec(stored)?.slice(1) ?? [];
  if (place === undefined) return stored;
  if (owner !== adapter) return undefined;
  return kind === 'loras' ? `${place}.${rest}.weight` : `${place}.${rest!.replace('adapter_down.0.', 'adapter_down.')}`;
}
