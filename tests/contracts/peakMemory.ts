/** Prints by how many bytes two steps of a small decoder raise the peak memory of this process. Arguments: settings as JSON. */
import { collate, IGNORED } from '../../src/data/batch.ts';
import { openRuntime } from '../../src/engine/runtime/openRuntime.node.ts';
import { attachMethod, methods } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { causalLm } from '../../src/tasks/index.ts';
import { allocateParameters, openTrainer, type Recompute } from '../../src/training/index.ts';

interface Settings {
  readonly tokens: number;
  readonly layers: number;
  readonly hidden: number;
  readonly vocabulary: number;
  readonly vocabularyPart: number;
  readonly recompute: Recompute;
  readonly queryParts?: number;
}

const settings = JSON.parse(process.argv[2]!) as Settings;
const { tokens, layers, hidden, vocabulary, vocabularyPart, recompute, queryParts } = settings;
const fields = {
  model_type: 'llama',
  vocab_size: vocabulary,
  hidden_size: hidden,
  intermediate_size: 4 * hidden,
  num_hidden_layers: layers,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const description = describeModel(fields, 'config.json');
const program = buildProgram(causalLm(description, { vocabularyPart }), {
  methods: [attachMethod(methods.full.settings.parse({ name: 'full' }), description.architecture)],
  batch: tokenInputs(),
  queryParts,
});
const memory = allocateParameters(program.parameters.map(({ parameter }) => parameter));
for (const { arrays } of memory.trained.values()) arrays.weight.set(arrays.weight.map((_, i) => Math.sin(i) / 10));
const { open } = await openRuntime();
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
await using trainer = await openTrainer(program, {
  memory,
  open,
  threads: 1,
  seed: 0,
  optimizer,
  recompute,
});
const ids = Array.from({ length: tokens }, (_, at) => (at * 7919) % vocabulary);
const { feeds } = collate([{ inputIds: ids, labels: ids, label: IGNORED }], 0);
const peak = (): number => process.resourceUsage().maxRSS * 1024;
const before = peak();
let loss = 0;
for (const step of [1, 2]) {
  const { sum, count } = await trainer.gradients([{ feeds, rows: 1, tokens }], step);
  loss = sum / count;
}
console.log(JSON.stringify({ loss, bytes: peak() - before }));
