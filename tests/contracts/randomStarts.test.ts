/** What random starts are drawn from, by the programs and papers that the methods follow; pooled, within five deviations. */
import { describe, expect, test } from 'vitest';
import { type MethodSettings, methods } from '../../src/methods/index.ts';
import { valuesOf } from '../../src/training/index.ts';
import { openDecoder } from '../golden/decoderModels.ts';
import { openPartial } from '../golden/partial.ts';
import { everyInit, everyMethod } from './everyMethod.ts';

type Shape = readonly number[];
type Drawn = { readonly uniform: (shape: Shape) => number } | { readonly normal: (shape: Shape) => number };
type Table = Readonly<Record<string, Drawn>>;

/** PyTorch's nn.Linear: kaiming_uniform_(a = √5) is evenly within 1/√in; its biases within the same, which `fanIn` tells. */
const linear: Drawn = { uniform: (shape) => 1 / Math.sqrt(shape[1]!) };
const biasOf = (fanIn: number): Drawn => ({ uniform: () => 1 / Math.sqrt(fanIn) });
/** PyTorch's nn.Embedding. */
const embedding: Drawn = { normal: () => 1 };
/** Where models start their embeddings, and Attune its prompts; PEFT starts them at N(0, 1): the headers of prompts/ say why. */
const narrow: Drawn = { normal: () => 0.02 };

/** Of the tiny BERT: width and rows of the widest layers. */
const hidden = 32;

/** PEFT 0.21.2, tuners/lora/layer.py: reset_lora_parameters. */
const lora: Table = { 'lora_A.weight': linear };

const tables: Readonly<Record<string, Table>> = {
  lora,
  dora: lora,
  lora_table: { lora_embedding_B: embedding },
  // PEFT, the same place: `std=1 / self.r`.
  lora_gaussian: { 'lora_A.weight': { normal: (shape) => 1 / shape[0]! } },
  // PEFT, tuners/adalora/layer.py: `normal_(…, std=0.02)` of both, as the authors do.
  adalora: { lora_A: { normal: () => 0.02 }, lora_B: { normal: () => 0.02 } },
  // PEFT, tuners/vera/model.py: _kaiming_init, gain √2 and √3 to the bound; section 3.3 of arXiv:2310.11454.
  vera: {
    vera_A: { uniform: (shape) => Math.sqrt(6 / shape[1]!) },
    vera_B: { uniform: (shape) => Math.sqrt(6 / shape[1]!) },
  },
  // The adapters library, `init_weights: mam_adapter`, after arXiv:2110.04366: U and all biases are zero.
  adapter: { 'adapter_down.weight': linear },
  prompt_tuning: { prompt_embeddings: narrow },
  prefix_tuning: { prompt_embeddings: narrow },
  // PEFT, tuners/prefix_tuning/model.py and tuners/p_tuning/model.py: nn.Embedding and nn.Linear.
  prefix_projection: {
    'prompt_encoder.embedding.weight': embedding,
    'prompt_encoder.transform.0.weight': linear,
    'prompt_encoder.transform.0.bias': biasOf(hidden),
    'prompt_encoder.transform.2.weight': linear,
    'prompt_encoder.transform.2.bias': biasOf(hidden),
  },
  p_tuning: {
    'prompt_encoder.embedding.weight': embedding,
    'prompt_encoder.mlp_head.0.weight': linear,
    'prompt_encoder.mlp_head.0.bias': biasOf(hidden),
    'prompt_encoder.mlp_head.2.weight': linear,
    'prompt_encoder.mlp_head.2.bias': biasOf(hidden),
    'prompt_encoder.mlp_head.4.weight': linear,
    'prompt_encoder.mlp_head.4.bias': biasOf(hidden),
  },
};

const given: Readonly<Record<string, MethodSettings>> = {
  ...everyMethod,
  ...everyInit,
  lora_table: methods.lora.settings.parse({ name: 'lora', r: 4, target_modules: ['word_embeddings'] }),
  prefix_projection: methods.prefix_tuning.settings.parse({
    name: 'prefix_tuning',
    num_virtual_tokens: 20,
    prefix_projection: true,
  }),
};

describe.each(Object.entries(given))('%s', async (name, method) => {
  const { program, memory } = await openPartial(method);
  const random = program.parameters
    .map(({ parameter }) => parameter)
    .filter(({ added, fresh }) => added && typeof fresh === 'object' && ('normal' in fresh || 'uniform' in fresh));
  const table = tables[name] ?? {};
  const endOf = (tensor: string): string | undefined => Object.keys(table).find((end) => tensor.endsWith(end));

  test('has no random start but those of its table', () => {
    expect(random.filter((parameter) => endOf(parameter.name) === undefined)).toEqual([]);
    expect([...new Set(random.map((parameter) => endOf(parameter.name)))].sort()).toEqual(Object.keys(table).sort());
  });

  test.each(Object.entries(table))('%s is drawn as it should be', (end, drawn) => {
    const own = random.filter((parameter) => endOf(parameter.name) === end);
    // As shares of what the tensor's bound or deviation should be: so tensors of all shapes are one sample.
    const size = 'normal' in drawn ? drawn.normal : drawn.uniform;
    const values = own.flatMap(({ name: tensor, shape }) => [...valuesOf(memory, tensor)].map((v) => v / size(shape)));
    expectSample(
      values,
      'normal' in drawn ? { deviation: 1, kurtosis: 3 } : { deviation: 1 / Math.sqrt(3), kurtosis: 1.8 },
    );
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if ('uniform' in drawn) expect(largest).toBeLessThanOrEqual(1 + 1e-6);
    // A bound is nearly reached; of a normal law as many would have gone beyond √3 deviations.
    if ('uniform' in drawn) expect(largest).toBeGreaterThan(1 - 10 / values.length);
  });
});

test('prompts of Gemma are drawn as far from zero as words are once they are multiplied by √D', async () => {
  const method = methods.prompt_tuning.settings.parse({ name: 'prompt_tuning' });
  const { memory, description } = await openDecoder('gemma3_text', { method });
  const deviation = 0.02 * Math.sqrt(description.config.hidden_size);
  expectSample([...valuesOf(memory, 'prompt_embeddings')], { deviation, kurtosis: 3 });
});

/** Mean 0 and the deviation, within five of their own deviations in a sample of this length. */
function expectSample(
  values: readonly number[],
  { deviation, kurtosis }: { deviation: number; kurtosis: number },
): void {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const found = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / count);
  expect(count).toBeGreaterThan(30);
  expect(Math.abs(mean)).toBeLessThan((5 * deviation) / Math.sqrt(count));
  expect(Math.abs(found / deviation - 1)).toBeLessThan(5 * Math.sqrt((kurtosis - 1) / (4 * count)));
}
