/** Folders of AdapterHub's library over small decoders: opened, trained, written as it wrote them, and opened by it again. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openFile } from '../../src/files/bytes.node.ts';
import { joinFiles, openSafetensors } from '../../src/files/index.ts';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { readTensors as tensorsIn } from '../../src/recipes/export/tensors.ts';
import { type HubSaved, readAdapter, writeHubFolder } from '../../src/store/adapters/index.ts';
import { curveBatches } from './decoderModels.ts';
import { goldenFolder, readGolden, readTensors, relativeError } from './fixtures.ts';
import { adaptersPython, answersHere, answersThere, openHub } from './hubFolders.ts';
import { lossCurve } from './partial.ts';
import { expectLosses } from './peftFolders.ts';

const out = mkdtempSync(join(tmpdir(), 'attune-hub-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const { cases } = readGolden('adapterhub-decoders/cases.json');
const all = Object.keys(cases).flatMap((family) => Object.keys(cases[family]).map((name) => ({ family, name })));
type Case = (typeof all)[number];
/** GPT-2's one layer of three matrices is a LoRA of another rank here than those beside it. */
const writable = all.filter(({ family, name }) => !(family === 'gpt2' && name.startsWith('lora')));

const placeOf = ({ family, name }: Case): string => `adapterhub-decoders/${family}/${name}`;
const savedAt = (one: Case): string => join(goldenFolder, placeOf(one), 'adapter');
const wantedOf = async (one: Case) => (await readTensors(`${placeOf(one)}/golden.safetensors`)).get('logits')!.data;

/** A folder of our own, with the fields of the other or without. */
async function written(one: Case, keeps: boolean): Promise<string> {
  const folder = mkdtempSync(join(out, 'written-'));
  const { method, open, hub } = (await readAdapter(savedAt(one)))!;
  const { model_type, model_class, hidden_size, model_name } = hub! as Record<string, string>;
  const model = { type: model_type!, className: model_class!, hiddenSize: Number(hidden_size), name: model_name! };
  const tensors = await tensorsIn(await open());
  const saved = { method: method as HubSaved['method'], model, labels: [], tensors, headModules: [], blocks: 2 };
  await writeHubFolder(folder, { ...saved, kept: keeps ? hub : undefined });
  return folder;
}

/** Under the library's names. */
const stored = async (folder: string) =>
  await tensorsIn(joinFiles([await openSafetensors(await openFile(join(folder, 'adapter.safetensors')))]));

test.each(all)('$name over $family answers from its folder', async (one) => {
  expect(relativeError(await answersHere(savedAt(one), one.family), await wantedOf(one))).toBeLessThan(1e-5);
});

const goldenOf = ({ family, name }: Case) => cases[family][name];

test.each(all.filter((one) => goldenOf(one).plan))(
  'the loss curve of $name over $family follows the library',
  async (one) => {
    const opened = await openHub(savedAt(one), one.family);
    expectLosses(await lossCurve(opened, goldenOf(one).plan, { batches: curveBatches() }), goldenOf(one));
  },
);

describe.each(writable)('$name over $family', (one) => {
  test('is written as the library wrote it', async () => {
    const folder = await written(one, true);
    const text = (at: string): string => readFileSync(join(at, 'adapter_config.json'), 'utf8');
    expect(JSON.parse(text(folder))).toEqual(JSON.parse(text(savedAt(one))));
    const [found, wanted] = await Promise.all([folder, savedAt(one)].map(stored));
    expect(found).toEqual(wanted);
    expect(readdirSync(folder).sort()).toEqual(['adapter.safetensors', 'adapter_config.json']);
  });

  test('is written anew with the fields of the library', async () => {
    const config = await requireJson(await written(one, false), 'adapter_config.json');
    const { name: _, config: settings, ...fields } = config as { name: string; config: object };
    // What training began with is nobody's to know afterwards.
    const { init_weights: __, ...known } = settings as { init_weights: string };
    expect(await requireJson(savedAt(one), 'adapter_config.json')).toMatchObject({ ...fields, config: known });
  });

  test.skipIf(!adaptersPython)('opens in the library with the same scores', async () => {
    const answers = await answersThere(await written(one, false), one.family);
    expect(relativeError(answers, await wantedOf(one))).toBeLessThan(1e-4);
  });
});

/** A LoRA of rank 2 and alpha 6, in a file of that version of the library. */
async function ofVersion(version: string | undefined): Promise<string> {
  const folder = mkdtempSync(join(out, 'version-'));
  const from = join(goldenFolder, 'adapterhub-decoders/llama/lora/adapter');
  cpSync(from, folder, { recursive: true });
  const config = (await requireJson(from, 'adapter_config.json')) as object;
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, version }));
  return folder;
}

describe.each([
  ['adapters.1.0.1', 2],
  ['adapters.0.2.2', 2],
  ['adapters.1.1.0', 6],
  ['3.2.1', 6],
  [undefined, 6],
])('LoRA in a file of the version %s', (version, alpha) => {
  test('is scaled as it was trained', async () => {
    expect((await readAdapter(await ofVersion(version)))!.method).toMatchObject({ r: 2, lora_alpha: alpha });
  });

  test.skipIf(!adaptersPython)('scores what the library scores', async () => {
    const folder = await ofVersion(version);
    expect(relativeError(await answersHere(folder, 'llama'), await answersThere(folder, 'llama'))).toBeLessThan(1e-4);
  });
});

test('places in a model that are not known are not guessed', async () => {
  const folder = mkdtempSync(join(out, 'other-'));
  const from = join(goldenFolder, 'adapterhub-decoders/llama/houlsby/adapter');
  cpSync(from, folder, { recursive: true });
  const config = (await requireJson(from, 'adapter_config.json')) as object;
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, model_type: 'bloom' }));
  const { open } = (await readAdapter(folder))!;
  await expect(open()).rejects.toMatchObject({
    code: 'ADAPTER_UNSUPPORTED',
    where: join(folder, 'adapter_config.json'),
    problem: expect.stringContaining('"bloom"'),
  });
});
