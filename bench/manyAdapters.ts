/**
 * Many LoRAs on one base, in one batch, against one of them by itself:
 *   npx tsx bench/manyAdapters.ts --model FOLDER|FILE.gguf [--adapters 16] [--rows 32] [--rounds 9] [--targets query,value]
 * The same work by one adapter, by one of many, and by all of them row by row, in turns; the least time of each counts.
 *   node --expose-gc --import tsx bench/manyAdapters.ts --model … --memory 100
 * What adapters after the first add to the memory of a process, beside the bytes of their files. All of them have values of
 * their own, as if they had been trained, and lie in PEFT folders.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { generate } from '../src/inference/generation/index.ts';
import { openWriter } from '../src/inference/languageModel.node.ts';
import { readModelFolder } from '../src/inference/modelFolder.node.ts';
import { load } from '../src/recipes/library.node.ts';
import type { AdaptedModel } from '../src/recipes/manyAdapters/adaptedModel.ts';
import { openTarget } from '../src/recipes/target.node.ts';
import { writePeftFolder } from '../src/store/adapters/index.ts';
import { adapterMaker, settingsOf } from '../tests/contracts/madeAdapters.ts';
import { processMemory } from './memory.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    adapters: { type: 'string', default: '16' },
    rows: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '9' },
    rank: { type: 'string', default: '8' },
    /** Ends of paths, or all-linear; left out: queries and values. */
    targets: { type: 'string' },
    words: { type: 'string', default: '24' },
    'new-tokens': { type: 'string', default: '16' },
    memory: { type: 'string' },
  },
});
const model = values.model!;
const rows = Number(values.rows);
const { description } = await readModelFolder(model);
const isClassifier = description.architecture.classification !== undefined;

/** Writes so many PEFT folders; returns them. */
async function writeAdapters(folder: string, count: number): Promise<string[]> {
  const targets = values.targets === 'all-linear' ? values.targets : values.targets?.split(',');
  const method = settingsOf({ name: 'lora', r: Number(values.rank), target_modules: targets });
  const make = await adapterMaker({ folder: model, method, ...(isClassifier && { labels: ['no', 'yes'] }) });
  const places: string[] = [];
  for (let seed = 0; seed < count; seed++) {
    const { names, readFloats, shapeOf } = await make({ seed, size: 0.02 }).open();
    const tensors = [];
    for (const name of names) {
      tensors.push({ name, dtype: 'float32' as const, shape: shapeOf(name)!, data: await readFloats(name) });
    }
    const place = mkdtempSync(join(folder, `adapter-${seed}-`));
    const taskType = isClassifier ? 'SEQ_CLS' : 'CAUSAL_LM';
    const facts = description.architecture;
    const headModules = isClassifier ? ['classifier'] : [];
    await writePeftFolder(place, { method, taskType, baseName: model, tensors, facts, headModules });
    places.push(place);
  }
  return places;
}

const words = ['bread', 'rain', 'music', 'court', 'engine', 'garden', 'market', 'river', 'school', 'winter'];
const text = (row: number): string =>
  Array.from({ length: Number(values.words) }, (_, i) => words[(row * 7 + i * 3) % words.length]).join(' ');
const texts = Array.from({ length: rows }, (_, row) => text(row));
const options = { max_new_tokens: Number(values['new-tokens']) };

function answer(many: AdaptedModel, adapter: readonly string[]): Promise<unknown> {
  if (isClassifier) return many.predict(texts, { adapter });
  return many.generate(texts, { adapter, raw: true, ...options });
}

/** One adapter as everybody opens it. */
async function openAlone(place: string): Promise<() => Promise<unknown>> {
  if (isClassifier) {
    const one = await load(place);
    return () => one.predict(texts);
  }
  const { artifact } = await openTarget(place, new AbortController().signal);
  const { decoder, source } = await openWriter(artifact, { threads: 2 });
  const inputIds = texts.map((one) => [...source.tokenizer.around.before, ...source.tokenizer.ids(one)]);
  return () => generate(decoder, { inputIds }, options);
}

async function compareSpeed(places: readonly string[]): Promise<void> {
  const many = await load(model).with(...places);
  const { adapters } = many;
  const sides = {
    alone: await openAlone(places[0]!),
    one_of_many: () =>
      answer(
        many,
        texts.map(() => adapters[0]!),
      ),
    mixed: () =>
      answer(
        many,
        texts.map((_, row) => adapters[row % adapters.length]!),
      ),
  };
  const least: Record<string, number> = {};
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const [name, run] of Object.entries(sides)) {
      const start = performance.now();
      await run();
      const took = performance.now() - start;
      // The first round warms up.
      if (round > 0) least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, took);
    }
  }
  const milliseconds = Object.fromEntries(Object.entries(least).map(([name, ms]) => [name, Number(ms.toFixed(1))]));
  const ratio = (side: string): number => Number((least['alone']! / least[side]!).toFixed(3));
  const setting = { rows, adapters: adapters.length, rank: Number(values.rank), targets: values.targets ?? 'default' };
  console.log(JSON.stringify({ ...setting, milliseconds, one_of_many: ratio('one_of_many'), mixed: ratio('mixed') }));
  await many.close();
}

async function settledMemory(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!();
    await setTimeout(50);
  }
  return processMemory().pss;
}

/** Every batch has the same adapters, so that what a batch takes is there from the beginning. */
async function compareMemory(places: readonly string[]): Promise<void> {
  const first = Number(values.adapters);
  const many = await load(model).with(...places.slice(0, first));
  const grown: { adapters: number; bytes: number; pss: number }[] = [];
  for (const share of [0, 1, 2, 3, 4]) {
    const until = first + Math.round((share * (places.length - first)) / 4);
    await many.add(...places.slice(many.adapters.length, until));
    for (let i = 0; i < 3; i++) {
      await answer(
        many,
        texts.map((_, row) => many.adapters[row % first]!),
      );
    }
    const bytes = places.slice(0, until).reduce((sum, place) => sum + folderBytes(place), 0);
    grown.push({ adapters: until, bytes, pss: await settledMemory() });
  }
  console.log(JSON.stringify({ grown }));
  await many.close();
}

const folderBytes = (folder: string): number =>
  readdirSync(folder).reduce(
    (sum, name) => sum + (name.endsWith('.safetensors') ? statSync(join(folder, name)).size : 0),
    0,
  );

const folder = mkdtempSync(join(tmpdir(), 'attune-many-adapters-'));
try {
  const count = Number(values.memory ?? values.adapters);
  const places = await writeAdapters(folder, count);
  await (values.memory === undefined ? compareSpeed(places) : compareMemory(places));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
