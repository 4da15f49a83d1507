/** A weighted sum of adapters on one base becomes an adapter of that base: a PEFT folder like any other. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { checkpointOver } from '../../files/index.ts';
import { type AdapterSource, type Classifier, openClassifier } from '../../inference/classifier.node.ts';
import { fingerprintOf } from '../../inference/fingerprint.ts';
import { type LanguageModel, openLanguageModel } from '../../inference/languageModel.node.ts';
import { readModelFolder, usableLength } from '../../inference/modelFolder.node.ts';
import { type Combination, combinations } from '../../methods/sums/combine.ts';
import { type Sum, sumOf } from '../../methods/sums/sumOf.ts';
import { expectNamedBase, type Manifest, writeAdapter } from '../../store/adapters/index.ts';
import { basePath } from '../export/adapters/adapterFiles.node.ts';
import { withHead } from '../export/adapters/baseHead.node.ts';
import { copyChat } from '../export/chatFiles.node.ts';
import { filesOf, refuseUsedPlace, type WrittenFile, writeFolder } from '../export/outputFolder.node.ts';
import { readTensors } from '../export/tensors.ts';
import { isLanguageModel } from '../kindOf.node.ts';
import { readAdapters, type SharingAdapter } from '../manyAdapters/read.node.ts';
import { expectSameAnswers } from '../sameBase.node.ts';
import { taskNames } from '../schema/recipeSettings.ts';
import { identify, openTarget, type Target } from '../target.node.ts';
import { runTasks } from '../train/tasks/index.ts';
import { agreed } from './agreement.ts';

export interface SumOptions {
  readonly output: string;
  readonly combination: Combination;
  /** Of svd; left out: the largest of the adapters'. */
  readonly rank?: number | undefined;
  readonly signal: AbortSignal;
}

export interface Summed {
  readonly path: string;
  readonly files: readonly WrittenFile[];
  readonly combination: Combination;
  readonly rank: number;
}

/** Weights by what finds the adapters. */
export async function sumAdapters(weights: ReadonlyMap<string, number>, options: SumOptions): Promise<Summed> {
  const { output, combination, rank, signal } = options;
  refuseUnusable(weights, options);
  await refuseUsedPlace(output);
  const references = [...weights.keys()];
  const target = await openTarget(references[0]!, signal);
  if (!target.adapter) throw wholeModel(references[0]!);
  const { folder } = target.artifact;
  const identity = await identify(folder, baseOf(target));
  const base = { folder, identity };
  const named = new Map(references.map((reference) => [reference, reference]));
  const adapters = await readAdapters(named, { base, signal });
  const common = agreed([...adapters.values()].map(({ adapter }) => adapter));
  for (const { adapter, source } of adapters.values()) await expectSameAnswers(adapter, source, base);
  const addends = await Promise.all(
    [...adapters].map(async ([reference, { source }]) => {
      const tensors = await readTensors(await source.open());
      return { where: reference, weight: weights.get(reference)!, method: source.method, tensors };
    }),
  );
  const sum = sumOf(addends, { combination, rank });
  const path = resolve(output);
  const first = adapters.get(references[0]!)!;
  const chat = [...adapters.values()].find(({ adapter }) => adapter.manifest?.chat) ?? first;
  await writeSum(path, sum, { target, base: identity, common, first, chat });
  return { path, files: await filesOf(path), combination, rank: sum.method.r };
}

/** A program may give what the command line does not let through. */
function refuseUnusable(weights: ReadonlyMap<string, number>, { combination, rank }: SumOptions): void {
  const [odd] = [...weights].find(([, weight]) => !Number.isFinite(weight)) ?? [];
  if (odd !== undefined) throw unusable(odd, `its weight is ${weights.get(odd)}`, 'give a number');
  if (weights.size === 0) throw unusable('weights', 'there are no adapters', 'give at least one, with its weight');
  const known: readonly string[] = combinations;
  if (!known.includes(combination)) throw unusable('combination', `got ${combination}`, `give ${known.join(', ')}`);
  if (rank === undefined) return;
  if (combination !== 'svd')
    throw unusable('rank', `the rank of ${combination} follows from the adapters'`, 'leave it out');
  if (!Number.isInteger(rank) || rank < 1) throw unusable('rank', `got ${rank}`, 'give a whole number above 0');
}

const unusable = (where: string, problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'CONFIG_INVALID', where, problem, fix });

/** A folder is named by its whole path: another folder's own leads nowhere from the new one. */
function baseOf({ adapter }: Target): Pick<Manifest['base'], 'name' | 'reference'> {
  const path = basePath(adapter!);
  return path === undefined ? expectNamedBase(adapter!) : { name: path, reference: path };
}

interface Writing {
  readonly target: Target;
  readonly base: Manifest['base'];
  readonly common: ReturnType<typeof agreed>;
  readonly first: SharingAdapter;
  /** Whose chat template goes with the sum: the one that says what it learned with. */
  readonly chat: SharingAdapter;
}

/** It is opened on its base before anything is written: what does not open is not left behind. */
async function writeSum(path: string, sum: Sum, { target, base, common, first, chat }: Writing): Promise<void> {
  const { method } = sum;
  const { folder } = target.artifact;
  const source = await readModelFolder(folder);
  const { architecture, config } = source.description;
  const isText = await isLanguageModel(target);
  const taskName = taskNames.find((name) => name === common.task) ?? (isText ? 'causal-lm' : 'text-classification');
  const task = runTasks[taskName];
  const headModules = task.headModules(source);
  const tensors = await withHead(sum.tensors, { base: folder, headModules });
  const adapter = {
    folder: path,
    method,
    labels: common.labels ?? first.source.labels,
    open: async () => checkpointOver(new Map(tensors.map((tensor) => [tensor.name, tensor]))),
  };
  const { labels, fingerprint, weights } = await answersOf(folder, adapter, isText);
  const manifest: Manifest = {
    format: 1,
    task: taskName,
    method,
    labels: [...labels],
    max_length: common.maxLength ?? usableLength(undefined, source),
    base,
    tensors: Object.fromEntries(tensors.map(({ name, shape }) => [name, [...shape]])),
    fingerprint,
    ...(common.threshold !== undefined && { threshold: common.threshold }),
    ...(common.chat && { chat: common.chat }),
  };
  await writeFolder(path, async (place) => {
    await writeAdapter(place, {
      method,
      manifest,
      tensors,
      facts: architecture,
      model: { type: architecture.modelType, className: task.className(source), hiddenSize: config.hidden_size },
      headModules,
      weights,
      taskType: task.peftTask,
    });
    await copyChat(chat.adapter, place);
  });
}

async function answersOf(folder: string, adapter: AdapterSource, isText: boolean) {
  const threads = availableParallelism();
  if (isText) {
    await using model = await openLanguageModel({ folder, adapter }, { threads });
    return { labels: [], ...(await knownOf(model)) };
  }
  await using model = await openClassifier({ folder, adapter }, { threads, batchSize: 1 });
  return { labels: model.labels, ...(await knownOf(model)) };
}

const knownOf = async ({
  scorer,
  source,
  program,
}: Pick<Classifier | LanguageModel, 'scorer' | 'source' | 'program'>) => ({
  fingerprint: await fingerprintOf(scorer, source.description),
  weights: program.parameters.map(({ parameter }) => parameter),
});

const wholeModel = (where: string): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_SUM',
    where,
    problem: 'it is a whole model, not an adapter',
    fix: 'add adapters of lora that stand on one base',
  });
