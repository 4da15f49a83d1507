/** The small decoders: opened under a method, and rows of tokens as what their graphs are fed. */
import { chunks } from '../../src/data/batch.ts';
import type { Value, Values } from '../../src/engine/runtime/index.ts';
import type { Checkpoint } from '../../src/files/index.ts';
import { openCheckpoint, ownFormsOf, requireJson } from '../../src/files/modelFolder.node.ts';
import {
  attachMethod,
  basePrecisionOf,
  type MethodSettings,
  type ModelFacts,
  methods,
} from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { type BasePrecision, type Batch, buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { type CausalLmSettings, causalLm } from '../../src/tasks/index.ts';
import {
  allocateParameters,
  loadParameters,
  type MicroBatch,
  openTrainer,
  parameterValues,
} from '../../src/training/index.ts';
import { goldenFolder, readGolden, type readTensors, runtime } from './fixtures.ts';

export const families = ['llama', 'gpt2', 'qwen2', 'qwen3', 'mistral', 'phi3', 'gemma2', 'gemma3_text'];
export const folderOf = (family: string, folder = 'model'): string => `${goldenFolder}/decoders/${family}/${folder}`;

interface Opening {
  readonly method?: MethodSettings;
  /** Fields of config.json. */
  readonly changes?: object;
  readonly batch?: Batch;
  readonly settings?: CausalLmSettings;
  readonly queryParts?: number;
  readonly folder?: string;
  readonly adapter?: Checkpoint | undefined;
  /** Left out: the method's. */
  readonly basePrecision?: BasePrecision | undefined;
  readonly tokenIds?: ModelFacts['tokenIds'];
  /** Of a method that begins with a part of what it trains. */
  readonly run?: ModelFacts['run'];
}

export const full = methods.full.settings.parse({ name: 'full' });

export async function openDecoder(family: string, { method = full, changes = {}, ...opening }: Opening = {}) {
  const folder = opening.folder ?? folderOf(family);
  const description = describeModel({ ...((await requireJson(folder, 'config.json')) as object), ...changes }, folder);
  const { architecture } = description;
  const program = buildProgram(causalLm(description, opening.settings), {
    methods: [attachMethod(method, { ...architecture, ...factsOf(opening) })],
    basePrecision: opening.basePrecision ?? basePrecisionOf(method),
    ownForms: await ownFormsOf(folder),
    batch: opening.batch ?? tokenInputs(),
    queryParts: opening.queryParts,
  });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  const adapter = opening.adapter && { ...opening.adapter, where: 'adapter' };
  const loaded = await loadParameters(memory, parameters, { base, adapter, architecture, seed: 0 });
  await base.close();
  return { program, memory, loaded, description };
}

/** What a method is told beside the model. */
const factsOf = ({ run, tokenIds }: Opening): Pick<ModelFacts, 'run' | 'tokenIds'> => ({
  ...(run && { run }),
  ...(tokenIds && { tokenIds }),
});

type Opened = Awaited<ReturnType<typeof openDecoder>>;
export const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

export const trainerOf = ({ program, memory }: Opened) =>
  openTrainer(program, { memory, open: runtime.open, threads: 1, seed: 0, optimizer });

/** Of every place of a batch. [B·T, V] */
export async function logitsOf({ program, memory }: Opened, feeds: Values): Promise<Float32Array> {
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  const [rows, length] = feeds['input_ids']!.shape as [number, number];
  const places = [...new Array(rows * length).keys()];
  const targets = {
    target_places: ints([places.length], places),
    target_sequences: ints(
      [places.length],
      places.map((place) => Math.floor(place / length)),
    ),
  };
  const read = { ...parameterValues(program, memory), ...feeds, ...targets };
  return (await session.run(read)).logits!.data as Float32Array;
}

export interface TokenRow {
  readonly input_ids: readonly number[];
  readonly labels: readonly number[];
}

export const goldenRows = (): TokenRow[] => readGolden('decoders/rows.json').rows;

const IGNORED = -100;
const ints = (shape: readonly number[], data: readonly number[]): Value => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from(data),
});

/** Sequences of rows, one after the other and padded on the right; one row each is a plain batch. */
export function batchOf(sequences: readonly (readonly TokenRow[])[]): MicroBatch {
  const length = Math.max(...sequences.map((rows) => rows.reduce((sum, { input_ids }) => sum + input_ids.length, 0)));
  const shape = [sequences.length, length];
  const filled = (pad: number, read: (row: TokenRow, index: number) => readonly number[]): Value => {
    const padded = sequences.map((rows) => {
      const values = rows.flatMap(read);
      return [...values, ...new Array<number>(length - values.length).fill(pad)];
    });
    return ints(shape, padded.flat());
  };
  const next = filled(IGNORED, (row) => [...row.labels.slice(1), IGNORED]).data as Int32Array;
  const places = [...next.keys()].filter((place) => next[place] !== IGNORED);
  const perTarget = (numberOf: (place: number) => number): Value => ints([places.length], places.map(numberOf));
  return {
    feeds: {
      labels: perTarget((place) => next[place]!),
      target_places: perTarget((place) => place),
      target_sequences: perTarget((place) => Math.floor(place / length)),
      input_ids: filled(0, (row) => row.input_ids),
      position_ids: filled(0, (row) => [...row.input_ids.keys()]),
      attention_mask: filled(0, (row) => row.input_ids.map(() => 1)),
      segment_ids: filled(0, (row, index) => row.input_ids.map(() => index + 1)),
    },
    rows: sequences.flat().length,
    tokens: sequences.flat().reduce((sum, { input_ids }) => sum + input_ids.length, 0),
  };
}

export const plainBatch = (rows: readonly TokenRow[]): MicroBatch => batchOf(rows.map((row) => [row]));

/** Those of the golden curves: four rows a step. */
export const curveBatches = (): MicroBatch[] => chunks(goldenRows(), 4).map(plainBatch);

type Golden = Awaited<ReturnType<typeof readTensors>>;

/** The padded rows of a golden batch. */
export function goldenBatchRows(golden: Golden): TokenRow[] {
  const [ids, mask, labels] = ['input_ids', 'attention_mask', 'labels'].map((name) => golden.get(`input.${name}`)!);
  const [count, width] = ids!.shape as [number, number];
  return Array.from({ length: count }, (_, row) => {
    const at = [...Array(width).keys()].filter((column) => mask!.data[row * width + column] === 1);
    const read = (data: Float32Array): number[] => at.map((column) => data[row * width + column]!);
    return { input_ids: read(ids!.data), labels: read(labels!.data) };
  });
}

/** What stands on padding is nobody's answer. */
export function withoutPadding(logits: Float32Array, golden: Golden): Float32Array {
  const mask = golden.get('input.attention_mask')!.data;
  const width = logits.length / mask.length;
  return logits.filter((_, i) => mask[Math.floor(i / width)] === 1);
}
