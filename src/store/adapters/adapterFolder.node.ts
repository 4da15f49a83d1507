/**
 * What a partial method saved: a PEFT folder where PEFT has the method, else the trained tensors alone. Beside either
 * lies attune.json, which says what base, labels and answers belong to it; folders of other programs have none.
 */
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { openFile } from '../../files/bytes.node.ts';
import { type Checkpoint, joinFiles, type NamedTensor, openSafetensors, safetensorsChunks } from '../../files/index.ts';
import { readJson } from '../../files/modelFolder.node.ts';
import { type MethodSettings, type ModelFacts, parseMethod } from '../../methods/index.ts';
import { chooses } from '../../methods/pattern.ts';
import { writeDurably } from '../runs/atomic.node.ts';
import { isModelNotes, MANIFEST, type Manifest, type ModelNotes, parseManifest, parseModelNotes } from './manifest.ts';
import { peftFromSettings, settingsFromPeft } from './peft/config.ts';
import { type PeftConfig, peftForms } from './peft/forms.ts';
import { adaptedLayers, isCopy, ownName, peftName } from './peft/names.ts';

export const PEFT_CONFIG = 'adapter_config.json';
const PEFT_WEIGHTS = 'adapter_model.safetensors';
const TRAINED_WEIGHTS = 'trained.safetensors';

export interface Adapter {
  readonly folder: string;
  readonly method: MethodSettings;
  /** What finds the base: a folder, or a model's name. */
  readonly baseReference: string;
  readonly manifest?: Manifest;
  /** adapter_config.json as it was, with the fields that have no setting here. */
  readonly peft?: PeftConfig;
  open(): Promise<Checkpoint>;
}

/** Undefined where the folder holds no adapter. */
export async function readAdapter(folder: string): Promise<Adapter | undefined> {
  const written = await readJson(folder, MANIFEST);
  const isAbsent = written === undefined || isModelNotes(written);
  const manifest = isAbsent ? undefined : parseManifest(written, join(folder, MANIFEST));
  const peft = (await readJson(folder, PEFT_CONFIG)) as PeftConfig | undefined;
  if (peft) {
    const method = settingsFromPeft(peft, join(folder, PEFT_CONFIG));
    const baseReference = manifest?.base.reference ?? baseOf(peft, folder);
    return { folder, method, baseReference, ...(manifest && { manifest }), peft, open: () => openPeft(folder) };
  }
  if (!manifest) return undefined;
  const method = parseMethod(manifest.method, join(folder, MANIFEST));
  const open = async () => joinFiles([await openSafetensors(await openFile(join(folder, TRAINED_WEIGHTS)))]);
  return { folder, method, baseReference: manifest.base.reference, manifest, open };
}

function baseOf(peft: PeftConfig, folder: string): string {
  const name = peft.base_model_name_or_path;
  if (typeof name === 'string' && name !== '') return name;
  throw new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where: join(folder, PEFT_CONFIG),
    problem: 'it names no base model (base_model_name_or_path)',
    fix: 'write the base model there',
  });
}

async function openPeft(folder: string): Promise<Checkpoint> {
  const file = await openSafetensors(await openFile(join(folder, PEFT_WEIGHTS)));
  const foreign = [...file.tensors.keys()].find((name) => ownName(name) === undefined);
  if (foreign === undefined) return joinFiles([file], (stored) => (isCopy(stored) ? undefined : ownName(stored)));
  throw new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where: join(folder, PEFT_WEIGHTS),
    problem: `its tensor '${foreign}' does not have a name that PEFT gives`,
    fix: 'save the adapter with PEFT again',
  });
}

export interface SavedAdapter {
  readonly method: MethodSettings;
  readonly manifest: Manifest;
  readonly tensors: readonly NamedTensor[];
  /** The model's names of layers, for what the settings leave to it. */
  readonly facts: ModelFacts;
  readonly headModules: readonly string[];
  /** Fields of a PEFT folder that this one continues. */
  readonly peft?: PeftConfig | undefined;
}

/** Fills an empty folder. */
export async function writeAdapter(folder: string, saved: SavedAdapter): Promise<void> {
  const { method, manifest, tensors } = saved;
  await writeDurably(join(folder, MANIFEST), [jsonText(manifest)]);
  if (!peftForms[method.name]) {
    await writeDurably(join(folder, TRAINED_WEIGHTS), safetensorsChunks(tensors));
    return;
  }
  const adapted = adaptedLayers(tensors.map(({ name }) => name));
  const { facts, headModules } = saved;
  const config = peftFromSettings(method, { baseName: manifest.base.name, facts, adapted, headModules }, saved.peft);
  const targets = config['target_modules'] as string | readonly string[];
  const isCopied = (module: string): boolean => method.name === 'ln_tuning' && chooses(targets, module);
  const naming = { adapted: new Set(adapted), isCopied };
  const renamed = tensors.map((tensor) => ({ ...tensor, name: peftName(tensor.name, naming) }));
  await writeDurably(join(folder, PEFT_CONFIG), [jsonText(config)]);
  await writeDurably(join(folder, PEFT_WEIGHTS), safetensorsChunks(renamed));
}

/** What is noted beside a whole model; undefined where nothing is. */
export async function readModelNotes(folder: string): Promise<ModelNotes | undefined> {
  const written = await readJson(folder, MANIFEST);
  return isModelNotes(written) ? parseModelNotes(written, join(folder, MANIFEST)) : undefined;
}

const jsonText = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
