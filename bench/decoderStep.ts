/**
 * Peak memory and time of a decoder's training step, one way a process:
 *   npx tsx bench/decoderMemory.ts --model FOLDER_OR_GGUF [--method lora] [--rows 2] [--tokens 512] [--part 4096] [--queries 1]
 *     [--checkpointing]
 * `part` is the number of vocabulary entries whose scores are held at once; a large one holds all of them. `queries` is
 * the number of parts that attention cuts queries into.
 */
import { parseArgs } from 'node:util';
import { openRuntime } from '../src/engine/runtime/openRuntime.node.ts';
import { openCheckpoint, requireJson } from '../src/files/modelFolder.node.ts';
import { attachMethod, methods } from '../src/methods/index.ts';
import { describeModel } from '../src/models/index.ts';
import { buildProgram, tokenInputs } from '../src/models/nn/index.ts';
import { causalLm } from '../src/tasks/index.ts';
import { allocateParameters, loadParameters, openTrainer } from '../src/training/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    method: { type: 'string', default: 'lora' },
    rows: { type: 'string', default: '2' },
    tokens: { type: 'string', default: '512' },
    part: { type: 'string', default: '4096' },
    steps: { type: 'string', default: '2' },
    queries: { type: 'string', default: '1' },
    checkpointing: { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
  },
});
const [rows, tokens, vocabularyPart, steps, threads] = [
  values.rows,
  values.tokens,
  values.part,
  values.steps,
  values.threads,
].map(Number) as [number, number, number, number, number];
const description = describeModel(await requireJson(values.model!, 'config.json'), values.model!);
const { architecture, config } = description;
const name = values.method as 'full' | 'lora';
const method = methods[name].settings.parse({ name });
const program = buildProgram(causalLm(description, { vocabularyPart }), {
  methods: [attachMethod(method, architecture)],
  batch: tokenInputs(),
  queryParts: Number(values.queries),
});
const parameters = program.parameters.map(({ parameter }) => parameter);
const memory = allocateParameters(parameters);
const base = { ...(await openCheckpoint(values.model!)), where: values.model! };
await loadParameters(memory, parameters, { base, architecture, seed: 0 });
await base.close();
const { open } = await openRuntime();
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
await using trainer = await openTrainer(program, {
  memory,
  open,
  threads,
  seed: 0,
  optimizer,
  gradientCheckpointing: values.checkpointing,
});
const before = process.memoryUsage().rss;
const perToken = (value: (at: number) => number) => ({
  dtype: 'int32' as const,
  shape: [rows, tokens],
  data: Int32Array.from({ length: rows * tokens }, (_, at) => value(at)),
});
const ids = perToken((at) => (at * 7919) % config.vocab_size);
const feeds = {
  input_ids: ids,
  labels: ids,
  position_ids: perToken((at) => at % tokens),
  attention_mask: perToken(() => 1),
};
const seconds: number[] = [];
let loss = 0;
for (let step = 1; step <= steps; step++) {
  const started = performance.now();
  const { sum, count } = await trainer.gradients([{ feeds, rows, tokens: rows * tokens }], step);
  seconds.push((performance.now() - started) / 1000);
  loss = sum / count;
}
const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
const peak = megabytes(process.resourceUsage().maxRSS * 1024);
console.log(
  JSON.stringify({
    ...values,
    loss: Number(loss.toFixed(6)),
    weights: megabytes(before),
    peak,
    step: peak - megabytes(before),
    seconds: Number(Math.min(...seconds).toFixed(2)),
  }),
);
