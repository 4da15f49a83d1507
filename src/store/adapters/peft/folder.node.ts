/** A folder as PEFT saves it: adapter_config.json and adapter_model.safetensors. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AttuneError } from '../../../errors/index.ts';
import {
  type Checkpoint,
  joinFiles,
  type NamedTensor,
  type Safetensors,
  safetensorsChunks,
} from '../../../files/index.ts';
import { joinOpened } from '../../../files/joinOpened.node.ts';
import type { MethodSettings, ModelFacts } from '../../../methods/index.ts';
import { plainSettings } from '../../../methods/lora.ts';
import { chooses } from '../../../methods/pattern.ts';
import { writeDurably, writeJson } from '../../runs/atomic.node.ts';
import { noSafetensors } from '../noSafetensors.ts';
import { peftFromSettings } from './config.ts';
import { type PeftConfig, peftForms } from './forms.ts';
import { adaptedLayers, isCopy, ownName, peftName } from './names.ts';
import type { Weight } from './savedModules.ts';
import { copyIn, withCopies } from './tying.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';

export async function openPeftFolder(folder: string, config: PeftConfig): Promise<Checkpoint> {
  const where = join(folder, WEIGHTS);
  if (!existsSync(where)) throw noSafetensors(where, 'save the adapter with PEFT again, which writes safetensors');
  return await joinOpened([where], ([file]) => ownTensors(file!, config));
}

async function ownTensors(file: Safetensors, config: PeftConfig): Promise<Checkpoint> {
  const foreign = [...file.tensors.keys()].find((name) => ownName(name) === undefined);
  if (foreign !== undefined) throw foreignName(foreign, file.name);
  // Of a layer that has given up all of its ranks PEFT keeps tensors without values.
  const isEmpty = (stored: string): boolean => file.tensors.get(stored)!.bytes === 0;
  const nameOf = (stored: string) => (isCopy(stored) || isEmpty(stored) ? undefined : ownName(stored));
  const all = joinFiles([file], nameOf);
  const copied = await copyIn(all, config);
  if (copied === undefined) return all;
  return joinFiles([file], (stored) => (ownName(stored) === copied ? undefined : nameOf(stored)));
}

const foreignName = (name: string, where: string): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem: `its tensor '${name}' does not have a name that PEFT gives`,
    fix: 'save the adapter with PEFT again',
  });

export interface PeftSaved {
  readonly method: MethodSettings;
  /** What PEFT calls the task. */
  readonly taskType: string;
  readonly baseName: string;
  /** Of a base on the hub, where one was asked for. */
  readonly revision?: string | undefined;
  readonly tensors: readonly NamedTensor[];
  readonly facts: ModelFacts;
  readonly headModules: readonly string[];
  /** The model's weights; left out where nothing but the head is trained whole. */
  readonly weights?: readonly Weight[] | undefined;
  /** Fields of a folder that this one continues. */
  readonly kept?: PeftConfig | undefined;
}

/** Fills an empty folder. False where its file leaves out a part of the tensors. */
export async function writePeftFolder(folder: string, saved: PeftSaved): Promise<boolean> {
  const method = saved.method.name === 'lora' ? plainSettings(saved.method) : saved.method;
  const { reduced: reduce, fitted, isBesideModel = false } = peftForms[method.name]!;
  const reduced = reduce?.(saved.tensors, method);
  const { tensors, fields } = reduced ?? { tensors: saved.tensors, fields: {} };
  const adapted = adaptedLayers(tensors.map(({ name }) => name));
  const named = { ...peftFromSettings(method, { ...saved, adapted }, saved.kept), ...fields };
  const config: PeftConfig = { ...named, ...fitted?.(named, tensors) };
  const targets = config['target_modules'] as string | readonly string[];
  const isCopied = (module: string): boolean => method.name === 'ln_tuning' && chooses(targets, module);
  const naming = { adapted: new Set(adapted), isCopied, isBesideModel };
  const renamed = withCopies(tensors, saved.weights ?? []).map((tensor) => ({
    ...tensor,
    name: peftName(tensor.name, naming),
  }));
  await writeJson(join(folder, CONFIG), config);
  await writeDurably(join(folder, WEIGHTS), safetensorsChunks(renamed));
  return reduced === undefined;
}
