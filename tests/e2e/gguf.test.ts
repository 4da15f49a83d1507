/** A .gguf file as the base of a run: trained whole, and under LoRA over its own 4 bits. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { tinyModel } from '../golden/ggufTokenizer.ts';
import { attune, distFolder, objectOf, temporaryFolder, train, writeRecipe } from './attune.ts';

const { load } = (await import(
  pathToFileURL(join(distFolder, 'index.js')).href
)) as typeof import('../../src/index.ts');

const folder = temporaryFolder();
const place = { cwd: folder };
const rows = Array.from({ length: 8 }, (_, i) => ({ prompt: `Say ${i}`, completion: 'yes' }));
const recipe = {
  model: 'tiny.gguf',
  task: 'sft',
  data: { train: 'rows.jsonl', validation_split: 0, max_length: 64 },
  training: { num_train_epochs: 40, per_device_train_batch_size: 8, learning_rate: 2e-2 },
  threads: 1,
};
const lora = { name: 'lora', r: 8, target_modules: 'all-linear', base_precision: 'int4' };

beforeAll(async () => {
  writeFileSync(join(folder, 'tiny.gguf'), tinyModel());
  writeFileSync(join(folder, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  writeRecipe(folder, { ...recipe, output_dir: 'full' });
  writeRecipe(folder, { ...recipe, method: lora, output_dir: 'lora' }, 'lora.json');
  await train(['recipe.json'], place);
  await train(['lora.json', 'num_train_epochs=60', 'learning_rate=0.05'], place);
});

describe('a run on a .gguf file', () => {
  it.each(['full', 'full/model', 'lora'])('%s answers as it was taught', async (target) => {
    const answer = await attune(['generate', target, '--prompt', 'Say 3', '--max-new-tokens', '8', '--json'], place);
    expect(objectOf<{ text: string }>(answer).text).toBe('yes');
  });

  it('over 4 bits is one of many, checked with exact products though answers round theirs', async () => {
    await using many = await load(join(folder, 'tiny.gguf')).with(join(folder, 'lora'));
    const [own, tuned] = await many.generate(['Say 3', 'Say 3'], { adapter: [null, 'lora'], max_new_tokens: 8 });
    expect(tuned!.text).toBe('yes');
    expect(own!.text).not.toBe('yes');
  });

  it('leaves a Hugging Face folder, with the tokenizer of the file', () => {
    const read = (name: string) => JSON.parse(readFileSync(join(folder, 'full/model', name), 'utf8'));
    expect(read('config.json')).toMatchObject({ model_type: 'llama', hidden_size: 32 });
    expect(read('tokenizer.json').model.type).toBe('BPE');
    expect(read('tokenizer_config.json').eos_token).toBe('</s>');
    expect(existsSync(join(folder, 'full/model/model.safetensors'))).toBe(true);
  });

  it('is pulled as it is', async () => {
    const pulled = objectOf<{ bytes: number; source: string }>(await attune(['pull', 'tiny.gguf', '--json'], place));
    expect(pulled).toMatchObject({ bytes: tinyModel().length, source: 'folder' });
  });
});
