/** Many adapters that give labels to texts. */
import { availableParallelism } from 'node:os';
import { AttuneError } from '../../errors/index.ts';
import type { SharedBase } from '../../inference/manyAdapters/base.node.ts';
import { openManyClassifiers } from '../../inference/manyAdapters/classifiers.node.ts';
import type { Target } from '../target.node.ts';
import type { Answering } from './answering.ts';

const BATCH = 64;

export async function openLabels(base: SharedBase, { artifact, maxLength }: Target): Promise<Answering> {
  const { threshold } = artifact;
  const options = { threads: availableParallelism(), batchSize: BATCH, threshold, maxLength };
  const many = await openManyClassifiers(base, options);
  return {
    kind: 'classifier',
    get names() {
      return many.names;
    },
    add: (adapters) =>
      many.add(
        new Map(
          [...adapters].map(([name, { adapter, source }]) => {
            const { threshold: own, max_length: longest } = adapter.manifest ?? {};
            return [name, { adapter: source, threshold: own, maxLength: longest }];
          }),
        ),
      ),
    remove: many.remove,
    labelsOf: many.labelsOf,
    predict: many.predict,
    async write() {
      const problem = 'its models choose labels and write no texts';
      throw new AttuneError({ code: 'MODEL_TASK', where: artifact.folder, problem, fix: 'call predict' });
    },
    [Symbol.asyncDispose]: () => many[Symbol.asyncDispose](),
  };
}
