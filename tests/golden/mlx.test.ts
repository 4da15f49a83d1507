/** Folders that MLX-LM saved: opened here, and written again as they were; through PEFT's form and back. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { exportTarget } from '../../src/recipes/export/index.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { folderOf, logitsOf, openDecoder } from './decoderModels.ts';
import { goldenFolder, readGolden, readTensors, relativeError } from './fixtures.ts';

const { ids, base, cases } = readGolden('mlx-tiny/cases.json');
const folder = mkdtempSync(join(tmpdir(), 'attune-mlx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
// The tiny decoder has no tokenizer, without which no model opens.
cpSync(folderOf('llama'), join(folder, 'base'), { recursive: true });
for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
  cpSync(join(goldenFolder, 'bert-tiny/model', file), join(folder, 'base', file));
}
const { signal } = new AbortController();
const int32 = (data: readonly number[]) => ({
  dtype: 'int32' as const,
  shape: [1, data.length],
  data: Int32Array.from(data),
});
const feeds = {
  input_ids: int32(ids),
  position_ids: int32([...ids.keys()]),
  attention_mask: int32(ids.map(() => 1)),
  labels: int32(ids),
};

async function answersOf(path: string): Promise<Float32Array> {
  const adapter = (await readAdapter(path))!;
  const checkpoint = await adapter.open();
  const opened = await openDecoder('llama', { method: adapter.method, adapter: checkpoint });
  await checkpoint.close();
  return await logitsOf(opened, feeds);
}

const read = (path: string) => JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8'));
const exported = (from: string, to: string, form: 'peft' | 'mlx') =>
  exportTarget(from, { form, output: to, precisions: [], signal });

describe.each(Object.keys(cases))('%s', (name) => {
  const path = join(goldenFolder, 'mlx-tiny', name);
  const wanted = cases[name].logits.flat();

  test('answers as MLX-LM does', async () => {
    expect(relativeError(await answersOf(path), wanted)).toBeLessThan(1e-5);
    expect(relativeError(wanted, base.flat())).toBeGreaterThan(1e-2);
  });

  test('is written as it was, also by way of PEFT', async () => {
    const own = join(folder, name);
    cpSync(path, own, { recursive: true });
    writeFileSync(
      join(own, 'adapter_config.json'),
      JSON.stringify({ ...read(path), model: join(folder, 'base'), max_seq_length: 256 }),
    );
    await exported(own, join(folder, `${name}-peft`), 'peft');
    await exported(own, join(folder, `${name}-again`), 'mlx');
    expect(read(join(folder, `${name}-again`))).toMatchObject({ max_seq_length: 256, fine_tune_type: name });
    const settings = read(path).lora_parameters;
    expect(read(join(folder, `${name}-peft`))).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      use_dora: name === 'dora',
      lora_alpha: settings.scale * settings.rank,
    });
    expect(relativeError(await answersOf(join(folder, `${name}-peft`)), wanted)).toBeLessThan(1e-5);
    await exported(join(folder, `${name}-peft`), join(folder, `${name}-mlx`), 'mlx');
    const { model: _, ...config } = read(path);
    const again = read(join(folder, `${name}-mlx`));
    expect({ ...again.lora_parameters, keys: again.lora_parameters.keys.sort() }).toEqual({
      ...config.lora_parameters,
      keys: config.lora_parameters.keys.sort(),
    });
    expect(again).toMatchObject({ fine_tune_type: name, num_layers: config.num_layers });
    const before = await readTensors(`mlx-tiny/${name}/adapters.safetensors`);
    const after = await readTensors(`../../${relativeTo(join(folder, `${name}-mlx/adapters.safetensors`))}`);
    expect(after).toEqual(before);
  });
});

test('a scale over the root of the rank is the same number in their folder', async () => {
  const own = join(folder, 'root');
  cpSync(join(goldenFolder, 'mlx-tiny/lora'), own, { recursive: true });
  writeFileSync(join(own, 'adapter_config.json'), JSON.stringify({ ...read(own), model: join(folder, 'base') }));
  const { rank, scale } = read(own).lora_parameters;
  await exported(own, join(folder, 'root-peft'), 'peft');
  const rooted = { ...read(join(folder, 'root-peft')), use_rslora: true, lora_alpha: scale * Math.sqrt(rank) };
  writeFileSync(join(folder, 'root-peft/adapter_config.json'), JSON.stringify(rooted));
  await exported(join(folder, 'root-peft'), join(folder, 'root-mlx'), 'mlx');
  expect(read(join(folder, 'root-mlx')).lora_parameters.scale).toBeCloseTo(scale, 12);
});

/** readTensors starts at the golden files. */
const relativeTo = (path: string): string => `${'../'.repeat(goldenFolder.split('/').length - 3)}${path.slice(1)}`;
