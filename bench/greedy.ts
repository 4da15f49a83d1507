/**
 * Greedy texts beside Transformers on weights that are dequantised from the same file: fifty prompts, 64 tokens each.
 *   npx tsx bench/greedy.ts --model FILE.gguf --python PYTHON --data FOLDER [--base-precision fp32]
 * FOLDER has gsm8k/, alpaca_en/ and alpaca_zh/train.jsonl with rows of `messages`, and wikitext2/validation.jsonl with rows of `text`.
 * Of each text that differs it says how near the reference's two best scores were where it left the way. Prints a JSON line.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openTemplate } from '../src/data/chat/index.ts';
import { chatTemplateFor } from '../src/inference/chatTemplate.node.ts';
import { generate } from '../src/inference/generation/index.ts';
import { openWriter } from '../src/inference/languageModel.node.ts';
import type { ModelSource } from '../src/inference/modelFolder.node.ts';
import type { BasePrecision } from '../src/models/nn/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    python: { type: 'string' },
    data: { type: 'string', default: '../shared/data' },
    'base-precision': { type: 'string', default: 'fp32' },
    threads: { type: 'string', default: '2' },
  },
});
const TOKENS = 64;

interface Line {
  readonly text: string;
  readonly instruction: string;
  readonly messages?: readonly { readonly content: string }[];
}

const linesOf = (file: string, count: number): Line[] =>
  readFileSync(join(resolve(values.data), file), 'utf8')
    .split('\n', count)
    .map((line) => JSON.parse(line));

/** What is asked first. */
const questionsOf = (file: string, count: number): string[] =>
  linesOf(file, count).map(({ messages, instruction }) => messages?.[0]?.content ?? instruction);

/** Twenty beginnings of articles as they stand, and thirty questions in two languages through the chat template. */
async function promptsOf(source: ModelSource): Promise<(readonly number[])[]> {
  const { tokenizer } = source;
  const template = openTemplate(await chatTemplateFor(source, { wished: 'auto', tools: false }), new Date());
  const asked = [
    ...questionsOf('gsm8k/train.jsonl', 10),
    ...questionsOf('alpaca_en/train.jsonl', 10),
    ...questionsOf('alpaca_zh/train.jsonl', 10),
  ];
  const begun = linesOf('wikitext2/validation.jsonl', 60)
    .map(({ text }) => text)
    .filter((text) => text.length > 200);
  return [
    ...begun.slice(0, 20).map((text) => tokenizer.ids(text).slice(0, 24)),
    ...asked.map((content) => {
      const messages = [{ role: 'user', content } as const];
      return tokenizer.ids(template.render({ messages, tools: [], addGenerationPrompt: true }).text);
    }),
  ];
}

interface Reference {
  readonly tokens: readonly number[];
  /** Between the two best scores of each token. */
  readonly gaps: readonly number[];
}

const basePrecision = values['base-precision'] as BasePrecision;
await using writer = await openWriter(
  { folder: resolve(values.model!) },
  { threads: Number(values.threads), basePrecision },
);
const inputIds = await promptsOf(writer.source);
const folder = mkdtempSync(join(tmpdir(), 'attune-greedy-'));
writeFileSync(join(folder, 'prompts.json'), JSON.stringify(inputIds));
const script = join(import.meta.dirname, 'reference/greedy.py');
const words = [script, '--model', resolve(values.model!), '--prompts', join(folder, 'prompts.json')];
const printed = execFileSync(values.python!, [...words, '--tokens', String(TOKENS)], {
  encoding: 'utf8',
  maxBuffer: 1 << 28,
});
const wanted: Reference[] = JSON.parse(printed);

const left: object[] = [];
for (const [i, prompt] of inputIds.entries()) {
  const [found] = await generate(writer.decoder, { inputIds: [prompt] }, { max_new_tokens: TOKENS });
  const { tokens, gaps } = wanted[i]!;
  const at = tokens.findIndex((token, place) => token !== found!.tokens[place]);
  if (at >= 0) left.push({ prompt: i, at, gap: gaps[at] });
}
console.log(
  JSON.stringify({
    prompts: inputIds.length,
    tokens: TOKENS,
    basePrecision,
    equal: inputIds.length - left.length,
    left,
  }),
);
