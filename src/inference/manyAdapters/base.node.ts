/** A base that many adapters stand on: its weights, once, and what its layers are. */
import { AttuneError } from '../../errors/index.ts';
import { openCheckpoint, ownFormsOf } from '../../files/modelFolder.node.ts';
import { type Parts, partsOf, type TrainedTensors } from '../../methods/byRow/index.ts';
import type { BaseLayer } from '../../methods/definition.ts';
import { attachSaved, basePrecisionOf } from '../../methods/index.ts';
import { classificationOf } from '../../models/index.ts';
import {
  type BasePrecision,
  batchInputs,
  buildProgram,
  type LinearSite,
  type Method,
  type Program,
  type ProgramOptions,
  tokenInputs,
} from '../../models/nn/index.ts';
import { classify, nextToken } from '../../tasks/index.ts';
import {
  type NamedCheckpoint,
  type ParameterMemory,
  placeParameters,
  refuseNotFinite,
  valuesOf,
  valuesOfTensor,
} from '../../training/index.ts';
import { type AdapterSource, labelsOf, noClassifier, type OpenAdapter } from '../classifier.node.ts';
import { loadFrozen } from '../frozenWeights.ts';
import { type ModelSource, readModelFolder } from '../modelFolder.node.ts';

/** Labels of whole texts, or texts. */
export type SharedTask = 'labels' | 'texts';

export interface SharedBase {
  readonly source: ModelSource;
  readonly task: SharedTask;
  /** What programs over it are built with. */
  readonly form: Pick<ProgramOptions, 'basePrecision' | 'ownForms'>;
  readonly memory: ParameterMemory;
  /** Its linear layers, by path. */
  readonly layers: ReadonlyMap<string, BaseLayer>;
  /** Names and shapes of its file; closed. */
  readonly checkpoint: NamedCheckpoint;
}

interface Opening {
  readonly task: SharedTask;
  readonly basePrecision: BasePrecision;
}

export async function openBase(folder: string, { task, basePrecision }: Opening): Promise<SharedBase> {
  const source = await readModelFolder(folder);
  const { architecture } = source.description;
  const form = { basePrecision, ownForms: await ownFormsOf(folder) };
  const checkpoint = { ...(await openCheckpoint(folder)), where: folder };
  try {
    const rows = task === 'labels' ? (headRows(source, checkpoint) ?? 1) : 0;
    const { program, sites } = noted(source, { task, labels: rows }, form);
    const parameters = program.parameters.map(({ parameter }) => parameter);
    const loaded = await loadFrozen(parameters, { base: checkpoint, architecture });
    const memory = withZeros(loaded.memory, parameters, loaded.fresh);
    const layers = new Map([...sites].map(([path, site]) => [path, layerOf(site, memory)]));
    return { source, task, form, memory, layers, checkpoint };
  } finally {
    await checkpoint.close();
  }
}

/** How many labels the head of a file knows; undefined where it has none. */
function headRows({ description }: ModelSource, checkpoint: Pick<NamedCheckpoint, 'shapeOf'>): number | undefined {
  return checkpoint.shapeOf(`${classificationOf(description).head}.weight`)?.[0];
}

interface Asked {
  readonly task: SharedTask;
  readonly labels: number;
}

/** The program of a task, and the linear layers that it is built of. */
function noted(
  { description }: ModelSource,
  { task, labels }: Asked,
  options: ProgramOptions,
): { readonly program: Program<unknown>; readonly sites: ReadonlyMap<string, LinearSite> } {
  const sites = new Map<string, LinearSite>();
  const listening: Method = {
    name: 'listening',
    linear(site, next) {
      sites.set(site.path, site);
      return next();
    },
  };
  const methods = [...(options.methods ?? []), listening];
  const program =
    task === 'labels'
      ? buildProgram(classify(description, { numLabels: labels }), { ...options, methods, batch: batchInputs() })
      : buildProgram(nextToken(description), { ...options, methods, batch: tokenInputs() });
  return { program, sites };
}

/** What the file lacks is brought by each adapter, or it is refused: here it only has to be something. */
function withZeros(
  memory: ParameterMemory,
  parameters: readonly { readonly name: string; readonly shape: readonly number[] }[],
  fresh: readonly string[],
): ParameterMemory {
  const zeros = parameters
    .filter(({ name }) => fresh.includes(name))
    .map(({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))] as const);
  return { ...memory, frozen: new Map([...memory.frozen, ...zeros]) };
}

const layerOf = ({ weight, bias, head }: LinearSite, memory: ParameterMemory): BaseLayer => ({
  shape: weight.shape as [number, number],
  head,
  weight: () => valuesOfTensor(memory, weight),
  bias: () => bias && valuesOf(memory, bias.name!),
});

/** An adapter of a base, ready to be one of many. */
export interface Member {
  readonly folder: string;
  readonly parts: Parts;
  /** None where it writes texts. */
  readonly labels: readonly string[];
  readonly fingerprint?: AdapterSource['fingerprint'];
}

/** Reads an adapter as strictly as if it were opened alone: each of its tensors has its place, and none is missing. */
export async function readMember(base: SharedBase, adapter: AdapterSource): Promise<Member> {
  refusePrecision(base, adapter);
  const opened = { ...(await adapter.open()), where: adapter.folder };
  try {
    const { source, task } = base;
    const labels = task === 'labels' ? labelsOf({ folder: source.folder, adapter }, source, opened) : [];
    const tensors = await trainedTensors(base, { adapter, opened, labels: labels.length });
    return {
      folder: adapter.folder,
      parts: partsOf(adapter.method, tensors),
      labels,
      fingerprint: adapter.fingerprint,
    };
  } finally {
    await opened.close();
  }
}

/** The base's own head as a member, where it has one. */
export function ownMember(base: SharedBase): Member | undefined {
  const { source, task, checkpoint, memory, layers } = base;
  if (task === 'texts') return { folder: source.folder, parts: new Map(), labels: [] };
  if (headRows(source, checkpoint) === undefined) return undefined;
  const { head } = classificationOf(source.description);
  const values = [`${head}.weight`, `${head}.bias`].flatMap((name) => {
    const shape = checkpoint.shapeOf(name);
    return shape ? [[name, { shape, data: valuesOf(memory, name) }] as const] : [];
  });
  const tensors = { where: source.folder, tensors: new Map(values), layers };
  const labels = labelsOf({ folder: source.folder }, source, checkpoint);
  return { folder: source.folder, parts: partsOf({ name: 'full' }, tensors), labels };
}

interface Reading {
  readonly adapter: AdapterSource;
  readonly opened: OpenAdapter;
  readonly labels: number;
}

async function trainedTensors(base: SharedBase, { adapter, opened, labels }: Reading): Promise<TrainedTensors> {
  const { source, task, form, checkpoint, layers } = base;
  const { architecture } = source.description;
  const methods = [attachSaved(adapter, architecture)];
  const { program, sites } = noted(source, { task, labels }, { ...form, methods });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const placed = placeParameters(parameters, { base: checkpoint, adapter: opened, architecture, seed: 0 });
  const lacking = placed.filter(({ place }) => !place).map(({ parameter }) => parameter.name);
  if (lacking.length > 0) throw noClassifier(adapter.folder, `its weights lack ${lacking.join(', ')}`);
  const tensors = new Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>();
  for (const { parameter, place } of placed) {
    // A head that the adapter left as it is.
    if (parameter.head && place?.checkpoint === checkpoint) {
      tensors.set(parameter.name, { shape: parameter.shape, data: valuesOf(base.memory, parameter.name) });
    }
    if (place?.checkpoint !== opened) continue;
    const data = await opened.readFloats(place.name);
    refuseNotFinite(place, data);
    tensors.set(parameter.name, asOutIn({ shape: parameter.shape, data }, sites.get(layerName(parameter.name))));
  }
  return { where: adapter.folder, tensors, layers };
}

const layerName = (parameter: string): string => parameter.replace(/\.weight$/, '');

interface Matrix {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A matrix that is trained is a leaf of the graph, unless the checkpoint keeps it turned. */
function asOutIn(matrix: Matrix, site: LinearSite | undefined): Matrix {
  if (!site?.weight.node) return matrix;
  const [rows, columns] = matrix.shape as [number, number];
  const data = Float32Array.from(matrix.data, (_, i) => matrix.data[(i % rows) * columns + Math.floor(i / rows)]!);
  return { shape: [columns, rows], data };
}

/** Over a base that is rounded otherwise it would answer otherwise than it was measured. */
function refusePrecision({ form }: SharedBase, { folder, method }: AdapterSource): void {
  const trained = basePrecisionOf(method);
  if (trained === form.basePrecision) return;
  throw new AttuneError({
    code: 'ADAPTER_ALONE',
    where: folder,
    problem: `it was trained over a base in ${trained}, and the base of these adapters is held in ${form.basePrecision}`,
    fix: 'open it by itself, or together with adapters of the same base_precision',
  });
}
