/** Language models as ONNX: transformers.js writes what attune generate does, and ends where it does. */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import { beforeAll, describe, expect, it } from 'vitest';
import { assistantLora, assistantRecipe } from './assistant.ts';
import { attune, errorOf, linesOf, objectOf, readJson, temporaryFolder, train, writeRecipe } from './attune.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
env.allowRemoteModels = false;
env.localModelPath = folder;

const questions = ['Who are you?', '天气怎么样？', 'Say one word.', 'Say two words.', 'The answer is cold today'];

beforeAll(async () => {
  writeRecipe(folder, assistantRecipe);
  await train(['recipe.json'], place);
  await train(['recipe.json', ...assistantLora], place);
});

const local = { device: 'cpu', local_files_only: true } as const;
const settings = { max_new_tokens: 24, do_sample: false };

/** The answers of a Node service, one question at a time and all of them together. */
async function answersOf(model: string, dtype?: 'fp32' | 'q8'): Promise<[alone: string[], together: string[]]> {
  const generator = await pipeline('text-generation', model, { ...local, ...(dtype && { dtype }) });
  const chats = questions.map((content) => [{ role: 'user', content }]);
  const textOf = (answer: unknown): string =>
    (answer as { generated_text: { content: string }[] }[])[0]!.generated_text.at(-1)!.content;
  const alone: string[] = [];
  for (const chat of chats) alone.push(textOf(await generator(chat, settings)));
  const together = ((await generator(chats as never, settings)) as unknown as unknown[]).map(textOf);
  await generator.dispose();
  return [alone, together];
}

async function attuneAnswers(target: string): Promise<string[]> {
  const words = questions.flatMap((question) => ['--prompt', question]);
  const said = await attune(['generate', target, ...words, '--max-new-tokens', '24', '--json'], place);
  return linesOf<{ text: string }>(said.stdout).map(({ text }) => text);
}

async function leave(target: string, output: string, ...words: string[]) {
  const finished = await attune(['export', target, '--to', 'onnx', '--output', output, ...words, '--json'], place);
  expect(finished.code, finished.stdout + finished.stderr).toBe(0);
  return objectOf<{ files: string[]; max_logit_difference: number }>(finished);
}

describe.each(['full', 'lora', 'full/model', 'lora/adapter'])('export %s --to onnx', (target) => {
  const output = `onnx-${target.replace('/', '-')}`;

  it('leaves what transformers.js generates with, and it writes the same', async () => {
    const { files, max_logit_difference: difference } = await leave(target, output);
    expect(files).toEqual(
      expect.arrayContaining([
        'config.json',
        'generation_config.json',
        'onnx/model.onnx',
        'onnx/model_quantized.onnx',
        'tokenizer.json',
        'tokenizer_config.json',
      ]),
    );
    expect(difference > 0).toBe(target.startsWith('lora'));
    const expected = await attuneAnswers(target);
    expect(expected.slice(0, 3)).toEqual(['I am the assistant.', '天气很冷。', 'Oslo']);
    const [alone, together] = await answersOf(output, 'fp32');
    expect(alone).toEqual(expected);
    // In a batch transformers.js writes on until the last of the answers has ended.
    expect(together.map((text, i) => text.slice(0, expected[i]!.length))).toEqual(expected);
  });
});

describe('beside the weights', () => {
  it('stands the template that answers were learned with, and every token that ends one', () => {
    for (const output of ['onnx-full', 'onnx-lora-adapter']) {
      expect(String(readJson(folder, output, 'tokenizer_config.json')['chat_template'])).toContain('<|im_start|>');
      expect(readJson(folder, output, 'tokenizer_config.json')['model_max_length']).toBe(160);
      expect(readJson(folder, output, 'generation_config.json')['eos_token_id']).toEqual(expect.arrayContaining([383]));
    }
    expect(readJson(folder, 'onnx-full/config.json')).toMatchObject({
      architectures: ['LlamaForCausalLM'],
      num_key_value_heads: 2,
      head_dim: 6,
    });
  });

  it('8 bits alone are found without a dtype, and say what was learned', async () => {
    await leave('full', 'eight', '--dtype', 'int8');
    expect(readdirSync(join(folder, 'eight/onnx'))).toEqual(['model_quantized.onnx']);
    const [alone] = await answersOf('eight');
    expect(alone.slice(0, 3)).toEqual(['I am the assistant.', '天气很冷。', 'Oslo']);
  });

  it('an unknown kind of weights is refused', async () => {
    cpSync(join(folder, 'full/model'), join(folder, 'other'), { recursive: true });
    const refused = await attune(
      ['export', 'other', '--to', 'onnx', '--dtype', 'q4', '--output', 'q4', '--json'],
      place,
    );
    expect(errorOf(refused)).toMatchObject({ code: 'USAGE' });
  });
});
