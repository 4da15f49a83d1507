/** How many parameters each method trains, by what the papers count, in the shapes of real models. */
import { expect, test } from 'vitest';
import { attachMethod, type MethodName, methods } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { causalLm, classify } from '../../src/tasks/index.ts';
import { programOf } from '../golden/partial.ts';

/** Blocks, and the widths of the model, of its feed-forward, of its keys and values. */
interface Shape {
  readonly L: number;
  readonly D: number;
  readonly F: number;
  readonly K: number;
}

const bertBase = {
  shape: { L: 12, D: 768, F: 3072, K: 768 },
  config: {
    model_type: 'bert',
    vocab_size: 30_522,
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    max_position_embeddings: 512,
  },
};
const smolLm2 = {
  shape: { L: 30, D: 576, F: 1536, K: 192 },
  config: {
    model_type: 'llama',
    vocab_size: 49_152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 2048,
    tie_word_embeddings: true,
  },
};
const gpt2 = {
  shape: { L: 12, D: 768, F: 3072, K: 768 },
  config: { model_type: 'gpt2', vocab_size: 50_257, n_embd: 768, n_layer: 12, n_head: 12, n_positions: 1024 },
};

/** Of the layers that a method of products changes where nothing is said: their inputs and outputs. */
type Layers = readonly (readonly [number, number])[];
const queryAndValue = ({ D, K }: Shape): Layers => [
  [D, D],
  [D, K],
];
const sum = (layers: Layers, count: (inputs: number, outputs: number) => number): number =>
  layers.reduce((total, [inputs, outputs]) => total + count(inputs, outputs), 0);

/** What does not depend on how a family makes queries, keys and values. */
const common = (layers: Layers, { L, D, K }: Shape) => ({
  lora: [{ r: 8 }, L * sum(layers, (inputs, outputs) => 8 * (inputs + outputs))],
  adalora: [{}, L * sum(layers, (inputs, outputs) => 12 * (inputs + outputs + 1))],
  dora: [{ r: 8 }, L * sum(layers, (inputs, outputs) => 8 * (inputs + outputs) + outputs)],
  vera: [{ r: 256 }, L * sum(layers, (_, outputs) => outputs + 256)],
  prompt_tuning: [{}, 20 * D],
  prefix_tuning: [{}, 20 * L * 2 * K],
  p_tuning: [{ encoder_hidden_size: 128 }, 20 * D + (D * 128 + 128) + (128 * 128 + 128) + (128 * D + D)],
  adapter: [{ placement: 'houlsby' }, L * 2 * (2 * D * (D / 16) + D / 16 + D)],
});

const [bert, llama, openAi] = [bertBase.shape, smolLm2.shape, gpt2.shape];
const families = {
  bert: {
    config: bertBase.config,
    counts: {
      ...common(queryAndValue(bert), bert),
      ia3: [{}, bert.L * (2 * bert.D + bert.D + bert.F)], // keys and values, inputs of both ends
      ln_tuning: [{}, (2 * bert.L + 1) * 2 * bert.D],
      // Embeddings; attention, norms and feed-forward; pooler.
      bitfit: [{}, bert.D + bert.L * (4 * bert.D + 2 * bert.D + bert.F + bert.D) + bert.D],
    },
  },
  llama: {
    config: smolLm2.config,
    counts: {
      ...common(queryAndValue(llama), llama),
      ia3: [{}, llama.L * (2 * llama.K + llama.F)],
      ln_tuning: [{}, (2 * llama.L + 1) * llama.D],
    },
  },
  gpt2: {
    config: gpt2.config,
    counts: {
      ...common([[openAi.D, 3 * openAi.D]], openAi),
      ia3: [{}, openAi.L * (3 * openAi.D + openAi.F)],
      ln_tuning: [{}, (2 * openAi.L + 1) * 2 * openAi.D],
      bitfit: [{}, openAi.L * (4 * openAi.D + 2 * openAi.D + openAi.F + openAi.D) + openAi.D],
    },
  },
};

const rows = Object.entries(families).flatMap(([family, { config, counts }]) =>
  Object.entries(counts).map(([name, [settings, formula]]) => ({ family, config, name, settings, formula })),
);

test.each(rows)('$name on $family trains $formula parameters', ({ config, name, settings, formula }) => {
  const description = describeModel(config, 'config.json');
  const method = methods[name as MethodName].settings.parse({ name, ...(settings as object) });
  const options = { methods: [attachMethod(method, description.architecture)], batch: tokenInputs() };
  const { parameters } = description.architecture.languageModel
    ? buildProgram(causalLm(description), options)
    : buildProgram(classify(description, { numLabels: 2 }), programOf(method, description));
  const trained = parameters.filter(({ parameter: { trainable, head } }) => trainable && !head);
  const count = trained.reduce((total, { parameter: { shape } }) => total + shape.reduce((a, b) => a * b, 1), 0);
  expect(count).toBe(formula);
});

test('LoRA of rank 8 on queries and values of BERT base: what its paper counts', () => {
  expect(families.bert.counts.lora[1]).toBe(294_912);
});
