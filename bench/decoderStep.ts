/**
 * Time and peak memory of a decoder's training step, one way a process; prints a JSON line:
 *   npx tsx bench/decoderStep.ts --model FOLDER_OR_GGUF [--method '{"name": "lora", "r": 16, "target_modules": "all-linear"}']
 *     [--rows 4] [--tokens 512] [--steps 3] [--plain] [--part 4096] [--queries N] [--recompute none|cheap|all] [--profile FOLDER]
 * Rows are packed from texts of 100, 150 and 200 tokens; `--plain`: each row is one text. `part` is the number of vocabulary
 * entries whose scores are held at once, `queries` the number of parts that attention cuts queries into. `--profile` adds
 * the milliseconds of each kind of operation, of all steps together, and leaves ONNX Runtime's own file in a new folder.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collate, type EncodedRow, IGNORED } from '../src/data/batch.ts';
import { collatePacked } from '../src/data/packing.ts';
import { openRuntime } from '../src/engine/runtime/openRuntime.node.ts';
import { openCheckpoint, ownFormsOf, requireJson } from '../src/files/modelFolder.node.ts';
import { attachMethod, basePrecisionOf, type MethodName, methods } from '../src/methods/index.ts';
import { describeModel } from '../src/models/index.ts';
import { buildProgram, packedTokenInputs, queryPartsFor, tokenInputs } from '../src/models/nn/index.ts';
import { causalLm } from '../src/tasks/index.ts';
import { allocateParameters, loadParameters, openTrainer, type Recompute } from '../src/training/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    method: { type: 'string', default: '{"name": "lora", "r": 16, "target_modules": "all-linear"}' },
    rows: { type: 'string', default: '4' },
    tokens: { type: 'string', default: '512' },
    plain: { type: 'boolean', default: false },
    part: { type: 'string', default: '4096' },
    steps: { type: 'string', default: '3' },
    queries: { type: 'string' },
    recompute: { type: 'string', default: 'cheap' },
    threads: { type: 'string', default: '2' },
    profile: { type: 'string' },
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
const given = JSON.parse(values.method) as { name: MethodName };
const method = methods[given.name].settings.parse(given);
const queryParts = values.queries ? Number(values.queries) : queryPartsFor(tokens, { inOrder: true });
const program = buildProgram(causalLm(description, { vocabularyPart }), {
  methods: [attachMethod(method, architecture)],
  batch: values.plain ? tokenInputs() : packedTokenInputs(),
  basePrecision: basePrecisionOf(method),
  ownForms: await ownFormsOf(values.model!),
  queryParts,
});
const parameters = program.parameters.map(({ parameter }) => parameter);
const memory = allocateParameters(parameters);
const base = { ...(await openCheckpoint(values.model!)), where: values.model! };
await loadParameters(memory, parameters, { base, architecture, seed: 0 });
await base.close();
const { open } = await openRuntime();
const recompute = values.recompute as Recompute;
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
const peak = (): number => process.resourceUsage().maxRSS * 1024;

/** The texts of one row: as many as it has room for, the last one cut off. */
function textsOf(row: number): EncodedRow[] {
  const texts: EncodedRow[] = [];
  for (let from = 0, text = 0; from < tokens; text++) {
    const length = values.plain ? tokens : Math.min(tokens - from, 100 + 50 * (text % 3));
    const ids = Array.from({ length }, (_, at) => ((row * tokens + from + at) * 7919) % config.vocab_size);
    texts.push({ inputIds: ids, labels: ids, label: IGNORED });
    from += length;
  }
  return texts;
}

async function timed() {
  const { profile } = values;
  if (profile) mkdirSync(profile);
  await using trainer = await openTrainer(program, {
    memory,
    open: (outputs, options) => open(outputs, { ...options, ...(profile && { profile: join(profile, 'profile') }) }),
    threads,
    seed: 0,
    optimizer,
    recompute,
  });
  const opened = process.memoryUsage().rss;
  const sequences = Array.from({ length: rows }, (_, row) => textsOf(row));
  const batch = values.plain ? collate(sequences.flat(), 0) : collatePacked(sequences, 0);
  const ms: number[] = [];
  let loss = 0;
  for (let step = 1; step <= steps; step++) {
    const started = performance.now();
    const { sum, count } = await trainer.gradients([batch], step);
    trainer.update({ step, learningRate: 2e-4, gradientScale: 1 / count });
    ms.push(performance.now() - started);
    loss = sum / count;
  }
  return { ms, loss, opened };
}

/** Milliseconds by kind of operation, the longest first. */
function operationsIn(folder: string): Record<string, number> {
  interface Event {
    readonly cat: string;
    readonly dur: number;
    readonly args?: { readonly op_name?: string };
  }
  const sums = new Map<string, number>();
  for (const { cat, dur, args } of JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as Event[]) {
    if (cat === 'Node' && args?.op_name) sums.set(args.op_name, (sums.get(args.op_name) ?? 0) + dur / 1000);
  }
  return Object.fromEntries([...sums].sort(([, a], [, b]) => b - a).map(([name, ms]) => [name, Math.round(ms)]));
}

const { ms, loss, opened } = await timed();
const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
console.log(
  JSON.stringify({
    ...values,
    queries: queryParts,
    loss: Number(loss.toFixed(6)),
    opened_mb: megabytes(opened),
    peak_mb: megabytes(peak()),
    step_ms: Math.round(Math.min(...ms)),
    tokens_per_second: Math.round((rows * tokens * 1000) / Math.min(...ms)),
    ...(values.profile && { operations: operationsIn(values.profile) }),
  }),
);
