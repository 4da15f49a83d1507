/** Folders of AdapterHub's library of BERT that are not as it saves them today. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openFile } from '../../src/files/bytes.node.ts';
import { joinFiles, openSafetensors, safetensorsChunks } from '../../src/files/index.ts';
import { openClassifier } from '../../src/inference/classifier.node.ts';
import type { FloatTensor } from '../../src/inference/merged.ts';
import { readTensors } from '../../src/recipes/export/tensors.ts';
import { openTarget } from '../../src/recipes/target.node.ts';
import { nameHubBase, readAdapter } from '../../src/store/adapters/index.ts';
import { goldenFolder, relativeError } from './fixtures.ts';
import { adaptersPython } from './hubFolders.ts';

const out = mkdtempSync(join(tmpdir(), 'attune-hub-older-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const base = join(goldenFolder, 'bert-tiny/model');
const texts = ['good film', 'bad plot the film', 'plot'];

const stored = async (path: string) => await readTensors(joinFiles([await openSafetensors(await openFile(path))]));

/** A copy of an adapter over the tiny BERT, with other tensors. */
async function changed(name: string, change: (tensors: readonly FloatTensor[]) => readonly FloatTensor[]) {
  const folder = mkdtempSync(join(out, `${name}-`));
  cpSync(join(goldenFolder, 'adapterhub-tiny', name, 'adapter'), folder, { recursive: true });
  await nameHubBase(folder, base);
  const weights = join(folder, 'adapter.safetensors');
  writeFileSync(weights, Buffer.concat([...safetensorsChunks(change(await stored(weights)))]));
  return folder;
}

const renamed = (name: string, rename: (stored: string) => string): Promise<string> =>
  changed(name, (tensors) => tensors.map((tensor) => ({ ...tensor, name: rename(tensor.name) })));

async function probabilities(folder: string): Promise<number[]> {
  const { artifact } = await openTarget(folder, new AbortController().signal);
  await using model = await openClassifier(artifact, { threads: 1, batchSize: 1 });
  const answers = await model.predict(texts.map((text) => ({ text })));
  return answers.flatMap(({ scores }) => Object.values(scores));
}

/** Of the library, in the order of its labels. */
function probabilitiesThere(folder: string): number[] {
  const input = join(folder, 'input.json');
  writeFileSync(input, JSON.stringify({ texts }));
  const script = join(goldenFolder, '../../tools/golden/open_adapter_hub.py');
  const said = execFileSync(adaptersPython!, [script, folder, base, input], { encoding: 'utf8' });
  return (JSON.parse(said).logits as number[][]).flatMap((logits) => {
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    return logits.map((logit) => Math.exp(logit) / total);
  });
}

describe.each([
  ['task', 'houlsby'],
  ['lang', 'houlsby'],
  ['task', 'pfeiffer'],
])('the names that adapters for a %s had: %s', (kind, name) => {
  const old = (now: string): string =>
    now.replace(/(attention)?(\.output)\.adapters\./, (_, attention = '', place) => {
      return `${attention}${place}.${attention === '' ? 'layer' : 'attention'}_text_${kind}_adapters.`;
    });

  test('are read as those of today', async () => {
    const [today, before] = [await renamed(name, (now) => now), await renamed(name, old)];
    const names = (await stored(join(before, 'adapter.safetensors'))).map((tensor) => tensor.name);
    expect(names.every((one) => /(attention\.output\.attention|\d\.output\.layer)_text_/.test(one))).toBe(true);
    expect(await probabilities(before)).toEqual(await probabilities(today));
  });

  test.skipIf(!adaptersPython)('answer as in the library', async () => {
    const folder = await renamed(name, old);
    expect(relativeError(await probabilities(folder), probabilitiesThere(folder))).toBeLessThan(1e-4);
  });
});

describe('an activation is what it was called', () => {
  async function withActivation(name: string, version: object): Promise<string> {
    const folder = await renamed('houlsby', (now) => now);
    const path = join(folder, 'adapter_config.json');
    const { version: _, config, ...fields } = JSON.parse(readFileSync(path, 'utf8'));
    const written = { ...fields, ...version, config: { ...config, non_linearity: name } };
    writeFileSync(path, JSON.stringify(written).replace('"scaling":1,', '"scaling":1.0,'));
    return folder;
  }

  test.each([
    ['gelu', {}, 'gelu_new'],
    ['gelu_orig', {}, 'gelu'],
    ['swish', {}, 'swish'],
    ['gelu', { version: '3.2.1' }, 'gelu'],
  ])('when its file was written: %s %j', async (name, version, meant) => {
    const folder = await withActivation(name, version);
    expect((await readAdapter(folder))!.method).toMatchObject({ non_linearity: meant });
    if (!adaptersPython) return;
    expect(relativeError(await probabilities(folder), probabilitiesThere(folder))).toBeLessThan(1e-5);
  });
});

test('an invertible adapter is refused by its name, old or new', async () => {
  for (const name of ['bert.invertible_lang_adapters.en.F.0.bias', 'bert.invertible_adapters.en.F.0.bias']) {
    const folder = await changed('pfeiffer', (tensors) => [...tensors, { ...tensors[0]!, name }]);
    await expect(probabilities(folder)).rejects.toMatchObject({ problem: expect.stringContaining(`'${name}'`) });
  }
});
