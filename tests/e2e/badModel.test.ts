/** Models that cannot be trained are refused before a folder is made. */
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attune, errorOf, readJson, temporaryFolder, tinyModel, writeRecipe } from './attune.ts';
import { expectRefusal, type Refusal } from './refusals.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

function goodFolder(): string {
  const folder = temporaryFolder();
  writeReviews(folder);
  cpSync(tinyModel, join(folder, 'broken'), { recursive: true });
  writeRecipe(folder, tinyRecipe({ model: 'broken' }));
  return folder;
}

const trainWords = ['train', 'recipe.json'];
const without = (name: string) => (folder: string) => {
  rmSync(join(folder, 'broken', name));
  return trainWords;
};
const changed = (name: string, content: (old: string) => string) => (folder: string) => {
  const path = join(folder, 'broken', name);
  writeFileSync(path, content(readFileSync(path, 'utf8')));
  return trainWords;
};
const config = (fields: object) =>
  changed('config.json', (old) => JSON.stringify({ ...(JSON.parse(old) as object), ...fields }));

const models: Refusal[] = [
  {
    name: 'weights are missing',
    make: without('model.safetensors'),
    says: { code: 'MODEL_INCOMPLETE', where: 'broken', problem: 'model.safetensors', fix: 'save_pretrained' },
  },
  {
    name: 'weights of a kind that is not read',
    make: (folder) => {
      writeFileSync(join(folder, 'broken/pytorch_model.bin'), 'PK');
      return without('model.safetensors')(folder);
    },
    says: { code: 'MODEL_INCOMPLETE', where: 'broken', problem: 'pytorch_model.bin', fix: '.safetensors' },
  },
  {
    name: 'weights that are cut off',
    make: (folder) => {
      truncateSync(join(folder, 'broken/model.safetensors'), 100_000);
      return trainWords;
    },
    says: { code: 'SAFETENSORS_CORRUPT', where: 'model.safetensors', problem: '100', fix: 'again' },
  },
  {
    name: 'weights that are no safetensors',
    make: (folder) => {
      writeFileSync(join(folder, 'broken/model.safetensors'), 'version https://git-lfs.github.com/spec/v1\n');
      return trainWords;
    },
    says: { code: 'SAFETENSORS_CORRUPT', where: 'model.safetensors', problem: '', fix: '' },
  },
  {
    name: 'weights of another width than config.json says',
    make: config({ intermediate_size: 64 }),
    says: { code: 'MODEL_WEIGHTS', where: 'broken', problem: '[64, 32]', fix: 'config.json' },
  },
  {
    name: 'weights of fewer layers than config.json says',
    make: config({ num_hidden_layers: 4 }),
    says: { code: 'MODEL_WEIGHTS', where: 'broken', problem: 'encoder.layer.3', fix: 'config.json' },
  },
  {
    name: 'an architecture that is not known',
    make: config({ model_type: 'bret' }),
    says: { code: 'MODEL_UNKNOWN_TYPE', where: 'config.json', problem: "'bret'", fix: 'one of these: bert' },
  },
  {
    name: 'a config.json that is no JSON',
    make: changed('config.json', (old) => old.slice(0, 100)),
    says: { code: 'MODEL_INCOMPLETE', where: 'config.json', problem: 'not JSON', fix: '' },
  },
  {
    name: 'no config.json',
    make: without('config.json'),
    says: { code: 'MODEL_INCOMPLETE', where: 'broken', problem: 'config.json', fix: '' },
  },
  {
    name: 'no tokenizer',
    make: without('tokenizer.json'),
    says: { code: 'MODEL_INCOMPLETE', where: 'broken', problem: 'tokenizer.json', fix: '' },
  },
  {
    name: 'a tokenizer of a kind that is not known',
    make: changed('tokenizer.json', (old) => old.replace('"WordPiece"', '"WordPieces"')),
    says: { code: 'MODEL_TOKENIZER', where: 'tokenizer.json', problem: 'WordPieces', fix: 'tokenizer.json' },
  },
  {
    name: 'a tokenizer with more tokens than the model',
    make: changed('tokenizer.json', (old) => old.replace('"good": 79', '"good": 100')),
    says: { code: 'MODEL_TOKENIZER', where: 'broken', problem: '100', fix: '' },
  },
  {
    name: 'a model that is nowhere, without the network',
    make: () => [...trainWords, 'model=someone/no-such-model'],
    says: { code: 'MODEL_NOT_FOUND', where: 'someone/no-such-model', problem: 'HF_HUB_OFFLINE', fix: 'folder' },
  },
  {
    name: 'a path that leads nowhere',
    make: () => [...trainWords, 'model=./no/such/folder'],
    says: { code: 'MODEL_NOT_FOUND', where: './no/such/folder', problem: 'no/such/folder', fix: 'check the path' },
  },
  {
    name: 'a file in the place of a model',
    make: () => [...trainWords, 'model=recipe.json'],
    says: { code: 'MODEL_NOT_FOUND', where: 'recipe.json', problem: 'is a file', fix: 'folder' },
  },
  {
    name: 'a width that the heads cannot share',
    make: config({ num_attention_heads: 5 }),
    says: { code: 'MODEL_CONFIG', where: 'num_attention_heads', problem: 'divided evenly', fix: 'checkpoint' },
  },
];

describe('refused with code, place, value and fix, and without a folder', () => {
  for (const refusal of models) it(refusal.name, () => expectRefusal(refusal, goodFolder()));
});

describe('a target that cannot answer', () => {
  it.each([
    ['a folder that is no model', '.', 'MODEL_INCOMPLETE'],
    ['a name that is nothing', 'no-run-here', 'MODEL_NOT_FOUND'],
  ])('is refused: %s', async (_, target, code) => {
    const finished = await attune(['predict', target, 'good', '--json'], { cwd: goodFolder() });
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({ code, fix: expect.stringMatching(/./) });
  });

  it('is refused: an encoder without a head', async () => {
    const folder = goodFolder();
    const { id2label: _, label2id: __, ...headless } = readJson(tinyModel, 'config.json');
    writeFileSync(join(folder, 'broken/config.json'), JSON.stringify(headless));
    const finished = await attune(['predict', 'broken', 'good', '--json'], { cwd: folder });
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({
      code: 'MODEL_WEIGHTS',
      problem: expect.stringContaining('no classifier'),
      fix: expect.stringContaining('fine-tuned for classification'),
    });
  });
});
