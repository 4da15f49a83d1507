/**
 * The head beside an adapter of AdapterHub's library. That of a class of Transformers has the names of its tensors; those
 * that come and go with an adapter are layers with numbers (`heads.NAME.4.weight`), of which some are a classifier like ours.
 */
import { join } from 'node:path';
import { AttuneError } from '../../../errors/index.ts';
import { readJson } from '../../../files/modelFolder.node.ts';

export const HEAD_CONFIG = 'head_config.json';

interface HeadConfig {
  readonly name?: unknown;
  readonly model_class?: unknown;
  readonly label2id?: unknown;
  /** Of heads that come and go. */
  readonly config?: Readonly<Record<string, unknown>> | null;
}

export interface HubHead {
  /** It chooses labels. */
  readonly chooses: boolean;
  /** In the order of its outputs; undefined where they have no names. */
  readonly labels: readonly string[] | undefined;
  /** Modules of the model that it stands for, beside the head that each classifier has. */
  readonly modules: readonly string[];
  /** The model's name of one of its tensors; undefined for one that is not read. */
  readonly ownName: (stored: string) => string | undefined;
}

/** Refuses one that is no head of ours. */
export async function readHubHead(folder: string, modelType: unknown): Promise<HubHead> {
  const file = ((await readJson(folder, HEAD_CONFIG)) ?? {}) as HeadConfig;
  const where = join(folder, HEAD_CONFIG);
  return file.config ? flexible(file, { where, modelType: String(modelType ?? 'bert') }) : ofClass(file, where);
}

/** What scores tokens the library never trains: a language model's head is a copy of the base's. */
const COPIED_HEAD = 'lm_head.weight';

function ofClass({ model_class: name, label2id }: HeadConfig, where: string): HubHead {
  const isKnown = name === undefined || /(ForSequenceClassification|ForCausalLM|LMHeadModel)$/.test(String(name));
  if (!isKnown) throw otherHead(where, 'model_class', name);
  const ownName = (stored: string) => (stored === COPIED_HEAD ? undefined : stored);
  return {
    chooses: String(name).endsWith('ForSequenceClassification'),
    labels: labelsIn(label2id),
    modules: [],
    ownName,
  };
}

/** Layers of a head by their numbers, and what they are in our classifier. */
interface Layers {
  readonly layers: number;
  readonly bias: boolean;
  readonly use_pooler?: boolean;
  readonly activation_function?: string;
  readonly places: Readonly<Record<string, string>>;
}

/** Dropouts and activations have numbers, too. */
const scores: Layers = { layers: 1, bias: false, places: { 1: 'score' } };
const pooling: Layers = {
  layers: 2,
  bias: true,
  use_pooler: false,
  activation_function: 'tanh',
  places: { 1: 'bert.pooler.dense', 4: 'classifier' },
};
const known: Readonly<Record<string, readonly Layers[]>> = {
  bert: [
    { layers: 1, bias: true, use_pooler: true, places: { 1: 'classifier' } },
    // What the library adds where nothing else is said: Transformers calls its first layer the pooler.
    pooling,
  ],
  llama: [scores],
  mistral: [scores],
  gpt2: [scores],
};

/** The library's defaults where a field is left out. */
const usual = { head_type: 'classification', layers: 2, activation_function: 'tanh', use_pooler: false, bias: true };

interface Place {
  readonly where: string;
  readonly modelType: string;
}

function flexible({ name, config }: HeadConfig, { where, modelType }: Place): HubHead {
  const given: Readonly<Record<string, unknown>> = { ...usual, ...config };
  if (given['head_type'] !== 'classification') throw otherHead(where, 'config.head_type', given['head_type']);
  // A single score is a number, and no choice between labels.
  if (given['num_labels'] === 1) throw otherHead(where, 'config.num_labels', 1);
  const fits = ({ places: _, ...fields }: Layers) =>
    Object.entries(fields).every(([key, value]) => given[key] === value);
  const found = known[modelType]?.find(fits);
  if (!found) throw otherLayers(given, { where, modelType });
  const places = Object.values(found.places);
  return {
    chooses: true,
    labels: labelsIn(given['label2id']),
    modules: places.slice(0, -1),
    ownName(stored) {
      const [, head, layer = '', rest] = /^heads\.(.+)\.(\d+)\.(weight|bias)$/.exec(stored) ?? [];
      if (head === undefined) return stored;
      // The library also saves heads whose names begin with this one.
      return head === name ? `${found.places[layer] ?? `heads.${head}.${layer}`}.${rest}` : undefined;
    },
  };
}

function labelsIn(label2id: unknown): string[] | undefined {
  const entries = Object.entries((label2id ?? {}) as Record<string, number>);
  return entries.length > 1 ? entries.sort(([, a], [, b]) => a - b).map(([label]) => label) : undefined;
}

function otherHead(where: string, field: string, value: unknown): AttuneError {
  return refused(where, `${field} is ${JSON.stringify(value)}, a head that is not read here`);
}

function otherLayers(given: Readonly<Record<string, unknown>>, { where, modelType }: Place): AttuneError {
  const fields = (['layers', 'activation_function', 'use_pooler', 'bias'] as const).map(
    (field) => `${field} ${JSON.stringify(given[field])}`,
  );
  const layers = `config.head_type is "classification" with ${fields.join(', ')}`;
  return refused(where, `${layers}: other layers than those of a classifier of the type ${modelType}`);
}

const refused = (where: string, problem: string): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem,
    fix: 'save the adapter from a class with a fixed head (…ForSequenceClassification, …ForCausalLM), or with save_adapter(…, with_head=False)',
  });
