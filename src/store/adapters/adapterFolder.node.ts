/**
 * What a partial method saved: a folder of PEFT, or of AdapterHub's library, where one has the method; else the trained
 * tensors alone. MLX-LM's folders are read too. Beside any lies attune.json, which says what base, labels and answers belong to it; folders of other
 * programs have none.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { openFile } from '../../files/bytes.node.ts';
import { type Checkpoint, joinFiles, type NamedTensor, openSafetensors, safetensorsChunks } from '../../files/index.ts';
import { readJson } from '../../files/modelFolder.node.ts';
import { type MethodSettings, type ModelFacts, parseMethod } from '../../methods/index.ts';
import { basePrecisions } from '../../models/nn/index.ts';
import { atRevision, nameAndRevision } from '../models/index.ts';
import { writeDurably, writeJson } from '../runs/atomic.node.ts';
import type { HubConfig } from './adapterHub/checks.ts';
import { type HubModel, isHubConfig, settingsFromHub } from './adapterHub/config.ts';
import { hasHubPlaces, openHubFolder, writeHubFolder } from './adapterHub/folder.node.ts';
import { type HubHead, readHubHead } from './adapterHub/head.node.ts';
import {
  type BaseIdentity,
  isModelNotes,
  MANIFEST,
  type Manifest,
  type ModelNotes,
  parseManifest,
  parseModelNotes,
} from './manifest.ts';
import { isMlxConfig, type MlxConfig, openMlxFolder, settingsFromMlx } from './mlx/folder.node.ts';
import { settingsFromPeft } from './peft/config.ts';
import { openPeftFolder, writePeftFolder } from './peft/folder.node.ts';
import { hasPeftForm, type PeftConfig } from './peft/forms.ts';
import { readModules, type Weight } from './peft/savedModules.ts';

/** PEFT and AdapterHub give their files the same name. */
export const ADAPTER_CONFIG = 'adapter_config.json';
const TRAINED_WEIGHTS = 'trained.safetensors';

export interface Adapter {
  readonly folder: string;
  readonly method: MethodSettings;
  /** A folder, or a model's name. Folders of other programs may name none. */
  readonly baseName: string | undefined;
  /** What finds the base: its name, on the hub with a revision where one was asked for. */
  readonly baseReference: string | undefined;
  readonly manifest?: Manifest;
  /** Labels that a folder of another program names. */
  readonly labels?: readonly string[] | undefined;
  /** AdapterHub's head beside it chooses labels. */
  readonly chooses?: boolean;
  /** adapter_config.json as it was, with the fields that have no setting here. */
  readonly peft?: PeftConfig;
  readonly hub?: HubConfig;
  readonly mlx?: MlxConfig;
  open(): Promise<Checkpoint>;
}

/** Undefined where the folder holds no adapter. */
export async function readAdapter(folder: string): Promise<Adapter | undefined> {
  const written = await readJson(folder, MANIFEST);
  const isAbsent = written === undefined || isModelNotes(written);
  const manifest = isAbsent ? undefined : parseManifest(written, join(folder, MANIFEST));
  const config = (await readJson(folder, ADAPTER_CONFIG)) as PeftConfig | HubConfig | MlxConfig | undefined;
  const known = { folder, ...(manifest && { manifest }) };
  if (config) {
    const where = join(folder, ADAPTER_CONFIG);
    const { name: baseName, reference: baseReference } = manifest?.base ?? namedBase(config);
    const base = { baseName, baseReference };
    if (isMlxConfig(config)) {
      const method = await settingsFromMlx(folder, config);
      return { ...known, ...base, method, mlx: config, open: () => openMlxFolder(folder) };
    }
    if (isHubConfig(config)) {
      const method = overItsBase(settingsFromHub(config, where), manifest, folder);
      const head = await readHubHead(folder, config.model_type);
      const open = () => openHubFolder(folder, { file: config, head });
      const { labels, chooses } = head;
      return { ...known, ...base, method: withModules(method, head), labels, chooses, hub: config, open };
    }
    if (manifest && existsSync(join(folder, TRAINED_WEIGHTS))) {
      return { ...known, ...base, ...trained(folder, manifest), peft: config };
    }
    const open = () => openPeftFolder(folder, config);
    const named = settingsFromPeft(config, where);
    // Here every module is written down by a name that means it alone: no file needs to be opened for that.
    const method = manifest ? overItsBase(named, manifest, folder) : await withOthers(named, open);
    return { ...known, ...base, method, open, peft: config };
  }
  if (!manifest) return undefined;
  const { name: baseName, reference: baseReference } = manifest.base;
  return { ...known, ...trained(folder, manifest), baseName, baseReference };
}

/** What a head replaces beside the classifier is saved whole. Methods that have no place for that only answer with it. */
const withModules = (method: MethodSettings, { modules }: HubHead): MethodSettings =>
  method.name === 'lora' && modules.length > 0 ? { ...method, modules_to_save: [...modules] } : method;

/** With the modules that PEFT saved under a name that only ends theirs. */
async function withOthers(method: MethodSettings, open: Adapter['open']): Promise<MethodSettings> {
  const { modules_to_save: names = [] } = method as { readonly modules_to_save?: readonly string[] };
  if (names.length === 0) return method;
  const file = await open();
  await file.close();
  return { ...method, modules_to_save: readModules(names, file.names) } as MethodSettings;
}

/** How the base was kept while it was trained: other programs have no field for that. */
function overItsBase(method: MethodSettings, manifest: Manifest | undefined, folder: string): MethodSettings {
  const precision = manifest?.method['base_precision'];
  if (precision === undefined) return method;
  const known = basePrecisions.find((name) => name === precision);
  if (known) return { ...method, base_precision: known } as MethodSettings;
  throw new AttuneError({
    code: 'RUN_INVALID',
    where: join(folder, MANIFEST),
    problem: `method.base_precision is ${JSON.stringify(precision)}`,
    fix: `it is one of ${basePrecisions.join(', ')}`,
  });
}

/** The tensors as they were trained, under the names of the model's own parameters. */
const trained = (folder: string, manifest: Manifest): Pick<Adapter, 'method' | 'open'> => ({
  method: parseMethod(manifest.method, join(folder, MANIFEST)),
  open: async () => joinFiles([await openSafetensors(await openFile(join(folder, TRAINED_WEIGHTS)))]),
});

/** An adapter as other programs read it: a start in the weights, and networks that make vectors, are worked in. */
export function plainForm({ folder, peft, method, open }: Adapter): Pick<Adapter, 'method' | 'open'> {
  if (!peft) return { method, open };
  return { method: settingsFromPeft(peft, join(folder, ADAPTER_CONFIG)), open: () => openPeftFolder(folder, peft) };
}

function nameOfBase(config: PeftConfig | HubConfig | MlxConfig): string | undefined {
  const fields: PeftConfig = { ...config };
  const name = fields[isMlxConfig(config) ? 'model' : isHubConfig(config) ? 'model_name' : 'base_model_name_or_path'];
  return typeof name === 'string' && name !== '' ? name : undefined;
}

function namedBase(config: PeftConfig | HubConfig | MlxConfig): Partial<NamedBase> {
  const name = nameOfBase(config);
  const revision = 'revision' in config && typeof config.revision === 'string' ? config.revision : undefined;
  return name === undefined ? {} : { name, reference: atRevision(name, revision) };
}

type NamedBase = Pick<BaseIdentity, 'name' | 'reference'>;

/** Where the base is not given beside the adapter, it has to be found. */
export function expectNamedBase({ folder, baseName: name, baseReference: reference }: Adapter): NamedBase {
  if (name !== undefined && reference !== undefined) return { name, reference };
  throw new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where: join(folder, ADAPTER_CONFIG),
    problem: 'it names no base model (base_model_name_or_path, model_name, or model)',
    fix: 'write the base model there, or give it: load(BASE).with(FOLDER)',
  });
}

export interface SavedAdapter {
  readonly method: MethodSettings;
  readonly manifest: Manifest;
  readonly tensors: readonly NamedTensor[];
  /** What other programs read in their place, where that is something else. */
  readonly exported?: readonly NamedTensor[] | undefined;
  /** The model's names of layers, for what the settings leave to it. */
  readonly facts: ModelFacts;
  readonly model: Omit<HubModel, 'name'>;
  readonly headModules: readonly string[];
  /** The model's weights: what is trained whole has a place among them. */
  readonly weights: readonly Weight[];
  /** What PEFT calls the task. */
  readonly taskType: string;
  /** The folder that this one continues, whose other fields are kept. */
  readonly earlier?: Pick<Adapter, 'peft' | 'hub'> | undefined;
}

/** Fills an empty folder. */
export async function writeAdapter(folder: string, saved: SavedAdapter): Promise<void> {
  const { method, manifest, tensors, exported, facts, model, headModules, weights, taskType, earlier } = saved;
  const baseName = manifest.base.name;
  const { revision } = nameAndRevision(manifest.base.reference);
  await writeJson(join(folder, MANIFEST), manifest);
  if (hasPeftForm(method)) {
    const named = { method, taskType, baseName, revision, headModules, weights };
    const forOthers = { ...named, tensors: exported ?? tensors, facts };
    const isWhole = await writePeftFolder(folder, { ...forOthers, kept: earlier?.peft });
    if (exported || !isWhole) await writeDurably(join(folder, TRAINED_WEIGHTS), safetensorsChunks(tensors));
  } else if (method.name === 'adapter' && hasHubPlaces(model.type)) {
    const { labels } = manifest;
    const named = { ...model, name: baseName };
    await writeHubFolder(folder, { method, model: named, labels, tensors, headModules, kept: earlier?.hub });
  } else await writeDurably(join(folder, TRAINED_WEIGHTS), safetensorsChunks(tensors));
}

/** What is noted beside a whole model; undefined where nothing is. */
export async function readModelNotes(folder: string): Promise<ModelNotes | undefined> {
  const written = await readJson(folder, MANIFEST);
  return isModelNotes(written) ? parseModelNotes(written, join(folder, MANIFEST)) : undefined;
}
