/** `npm run quickstart`: fine-tunes a real model on real e-mails, then answers for three new messages. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nearDuplicateGroups } from '../../src/data/index.ts';
import { permutation, stream } from '../../src/engine/random/index.ts';
import { type Mail, readMails } from './mails.ts';

const root = join(import.meta.dirname, '..', '..');
const command = join(root, 'dist', 'cli', 'main.js');
const recipe = join(root, 'examples', 'quickstart', 'recipe.yaml');
const dataFolder = join(root, 'runs', 'quickstart-data');
const HELD_OUT = 500;
const TRAINED = 4900;

const messages = [
  'Congratulations! You have been selected to receive a FREE vacation. Reply now to claim your prize, limited time!',
  'Hi Anna, the build broke again after the merge. Can you look at the test for the parser before lunch?',
  'Refinance your home at the lowest rates ever. No credit check, no obligation. Click here to unsubscribe.',
];

/** Of mails that are nearly the same the first one. */
function withoutRepeats(mails: readonly Mail[], textOf: (mail: Mail) => string): Mail[] {
  const groups = nearDuplicateGroups(mails.map(textOf));
  return mails.filter((_, i) => groups.indexOf(groups[i]!) === i);
}

/** No held-out message was seen in training, not even almost. */
function split(mails: readonly Mail[]): { train: Mail[]; heldOut: Mail[] } {
  const first = withoutRepeats(
    withoutRepeats(mails, ({ whole }) => whole),
    ({ text }) => text,
  );
  const shuffled = permutation(stream(42, 'quickstart'), first.length).map((i) => first[i]!);
  return { heldOut: shuffled.slice(0, HELD_OUT), train: shuffled.slice(HELD_OUT, HELD_OUT + TRAINED) };
}

async function prepare(): Promise<void> {
  const mails = await readMails();
  const { train, heldOut } = split(mails);
  await mkdir(dataFolder, { recursive: true });
  const lines = (rows: readonly Mail[]): string =>
    rows.map(({ text, label }) => `${JSON.stringify({ text, label })}\n`).join('');
  await writeFile(join(dataFolder, 'train.jsonl'), lines(train));
  await writeFile(join(dataFolder, 'held-out.jsonl'), lines(heldOut));
  console.log(`${mails.length} e-mails; ${train.length} to learn from, ${heldOut.length} held out, none alike`);
}

/** Earlier runs are kept: the first name that is free. */
function freeFolder(): string {
  const names = ['quickstart', ...Array.from({ length: 999 }, (_, i) => `quickstart-${i + 2}`)];
  return join('runs', names.find((name) => !existsSync(join(root, 'runs', name)))!);
}

const started = performance.now();
await prepare();
const folder = freeFolder();
const training = spawnSync(process.execPath, [command, 'train', recipe, `output_dir=${folder}`], {
  cwd: root,
  stdio: 'inherit',
});
if (training.status !== 0) process.exit(training.status ?? 1);

const run = JSON.parse(await readFile(join(root, folder, 'run.json'), 'utf8'));
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
console.log(`\nOn ${run.rows.validation} held-out messages, accuracy of`);
console.log(`  always the most frequent answer  ${percent(run.before.majority)}`);
console.log(`  the model before training        ${percent(run.before.accuracy)}`);
console.log(`  the model after training         ${percent(run.metrics.accuracy)}\n`);
console.log(execFileSync(process.execPath, [command, 'predict', folder, ...messages], { cwd: root, encoding: 'utf8' }));
console.log(`In all ${((performance.now() - started) / 1000).toFixed(0)} seconds. The run is in ${folder}.`);
