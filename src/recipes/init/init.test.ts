import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MethodName, methods } from '../../methods/index.ts';
import { checkRecipeData } from '../dataCheck/dataCheck.node.ts';
import { type Declared, declaredAt, declaredRecipe, listPlaces } from '../schema/declaration.ts';
import { loadRecipe, parseRecipe, type Recipe } from '../schema/index.ts';
import { parseYaml } from '../schema/yamlDocument.ts';
import { commentedRecipe } from './commentedRecipe.ts';
import { commentOf, inChinese } from './comments.ts';
import { templates, writeTemplate } from './index.ts';

const paths = { recipe: 'some folder/a.yaml', data: 'some folder/a: b #1.jsonl', run: 'runs/a' };
const parsed = (text: string): Recipe => parseRecipe(parseYaml(text, 'a.yaml').value, 'a.yaml');
const declared = declaredRecipe();
const declaredFor = (key: string): Declared => declaredAt(declared, key.split('.'), {});
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'attune-init-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(templates.map((template) => [template.name, template] as const))('%s', (_, template) => {
  const text = commentedRecipe(template, paths);
  const keys = template.lines(paths).map(({ key }) => key);
  const groups = [...new Set(keys.filter((key) => key.includes('.')).map((key) => key.split('.')[0]!))];

  test('is a recipe that says what the template says', () => {
    expect(parsed(text)).toMatchObject({
      task: template.name.startsWith('chat') ? 'sft' : 'text-classification',
      data: { train: [paths.data] },
      output_dir: paths.run,
    });
  });

  test('names settings that there are, and a method that there is', () => {
    const known = listPlaces(declared).map(({ path }) => path.join('.'));
    expect(known).toEqual(expect.arrayContaining(keys));
    expect(Object.keys(methods)).toContain(parsed(text).method.name satisfies MethodName);
  });

  test('stays a recipe when the settings that it offers are taken up', () => {
    const offered = template.lines(paths).filter(({ isOffered }) => isOffered);
    // One of the two says what the validation data is.
    const lines = text.split('\n').filter((line) => !line.startsWith('  validation_split:'));
    const takenUp = lines.map((line) => line.replace(/^( *)#(?=\w+: )/, '$1'));
    expect(takenUp.filter((line, i) => line !== lines[i])).toHaveLength(offered.length);
    expect(parsed(takenUp.join('\n')).data.validation).toEqual(['validation.jsonl']);
  });

  test('says above each key what its declaration says', () => {
    const words = text.replace(/\n *# */g, ' ');
    for (const key of [...keys, ...groups]) {
      const description = declaredFor(key).description!;
      const told = template.language === 'chinese' ? inChinese(key, description) : description;
      expect(words, key).toContain(` ${told}`);
      expect(/\p{sc=Han}/u.test(told), `${key}: its Chinese stands in chinese.ts`).toBe(
        template.language === 'chinese',
      );
    }
  });

  test('has lines that fit a terminal', () => {
    const columns = text.split('\n').map((line) => line.replace(/[^\p{ASCII}]/gu, '__').length);
    expect(Math.max(...columns)).toBeLessThanOrEqual(100);
  });

  test('has data that passes the check, alike in number for each label', async () => {
    const { recipe } = await writeTemplate(template, folder);
    const check = await checkRecipeData(await loadRecipe(recipe), new AbortController().signal);
    expect(check).toMatchObject({ ok: true, warnings: [] });
    expect(check.files[0]).toMatchObject({ rows: template.rows.length, duplicates: { exact: 0, near: 0 } });
    if (!template.name.startsWith('chat'))
      expect(new Set(check.files[0]!.labels.map(({ count }) => count)).size).toBe(1);
    else expect(check.files[0]!.turns).toMatchObject({ format: 'messages', user: 15, trained: 15 });
  });
});

test('a comment has the choices, and the default where another value is written', () => {
  const rate: Declared = { description: 'How fast.', default: 0.1 };
  const kind: Declared = { description: 'What kind.', default: 'a', enum: ['a', 'b'], defaultText: 'as you like' };
  const comments = [rate, kind].flatMap((declared) =>
    [true, false].flatMap((tellsDefault) => commentOf({ key: 'x', declared, tellsDefault }, 'english')),
  );
  expect(comments).toEqual([
    'How fast. Default: 0.1.',
    'How fast.',
    'What kind. One of a, b. Default: as you like.',
    'What kind. One of a, b.',
  ]);
  const chineseOf = (declared: Declared) => commentOf({ key: 'task', declared, tellsDefault: true }, 'chinese');
  const { description } = declaredFor('task');
  expect(
    [{ default: 3 }, { default: 'a', enum: ['a', 'b'] }].map((rest) => chineseOf({ description, ...rest })),
  ).toEqual([['模型要学会做什么。默认值：3。'], ['模型要学会做什么。', '可选：a、b。默认值：a。']]);
});

test('a description that was changed stands in English until it is translated', () => {
  expect(inChinese('task', 'What the model is for.')).toBe('What the model is for.');
  expect(inChinese('training.weight_decay', 'Decay.')).toBe('Decay.');
});

describe('writing', () => {
  const [template] = templates;
  const files = [`${template.name}.yaml`, `${template.name}.jsonl`];

  test('makes the folder, and leaves the two files and nothing else', async () => {
    const inside = join(folder, 'new/deep');
    const written = await writeTemplate(template, inside);
    expect([written.recipe, written.data]).toEqual(files.map((file) => join(inside, file)));
    expect(readdirSync(inside).sort()).toEqual([...files].sort());
  });

  test.each(files)('touches nothing when %s is there', async (file) => {
    const inside = join(folder, `has ${file}`);
    mkdirSync(inside);
    writeFileSync(join(inside, file), 'mine');
    await expect(writeTemplate(template, inside)).rejects.toMatchObject({
      code: 'OUTPUT_EXISTS',
      where: join(inside, file),
    });
    expect(readdirSync(inside)).toEqual([file]);
    expect(readFileSync(join(inside, file), 'utf8')).toBe('mine');
  });

  test('says so when the folder is a file', async () => {
    writeFileSync(join(folder, 'file'), '');
    for (const inside of ['file', 'file/below']) {
      await expect(writeTemplate(template, join(folder, inside))).rejects.toMatchObject({ code: 'OUTPUT_WRITE' });
    }
    expect(existsSync(join(folder, 'file/below'))).toBe(false);
  });
});
