/** Adapters of any method with values of their own, as if they had been trained and saved. */
import { checkpointOver } from '../../src/files/index.ts';
import type { AdapterSource } from '../../src/inference/classifier.node.ts';
import { readModelFolder } from '../../src/inference/modelFolder.node.ts';
import { attachMethod, type MethodName, type MethodSettings, methods } from '../../src/methods/index.ts';
import { buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { classify, nextToken } from '../../src/tasks/index.ts';

export const settingsOf = (given: { readonly name: MethodName; readonly [key: string]: unknown }): MethodSettings =>
  methods[given.name].settings.parse(given) as MethodSettings;

interface Kind {
  readonly folder: string;
  readonly method: MethodSettings;
  /** None: a language model's. */
  readonly labels?: readonly string[];
}

interface Values {
  /** Makes them other than those of another. */
  readonly seed: number;
  /** How far they are from zero, or from one where that changes nothing. */
  readonly size?: number;
}

/** Every trained tensor has values that an update might have left: none of them is zero. */
export async function adapterMaker({ folder, method, labels }: Kind): Promise<(values: Values) => AdapterSource> {
  const { description } = await readModelFolder(folder);
  const options = { methods: [attachMethod(method, description.architecture)] };
  const program = labels
    ? buildProgram(classify(description, { numLabels: labels.length }), options)
    : buildProgram(nextToken(description), { ...options, batch: tokenInputs() });
  const trained = program.parameters.filter(({ parameter: { trainable, added } }) => trainable || added);
  return ({ seed, size = 0.3 }) => {
    const tensors = trained.map(({ parameter: { name, shape } }, number) => {
      const around = /ia3_l|magnitude/.test(name) ? 1 : 0;
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      for (let i = 0; i < data.length; i++) data[i] = around + size * Math.sin(seed + number + 1.7 * i);
      return [name, { shape, data }] as const;
    });
    const open = async () => checkpointOver(new Map(tensors));
    return { folder: `${folder} with ${method.name} ${seed}`, method, labels, open };
  };
}

export const madeAdapter = async ({ folder, method, labels, ...values }: Kind & Values): Promise<AdapterSource> =>
  (await adapterMaker({ folder, method, ...(labels && { labels }) }))(values);
