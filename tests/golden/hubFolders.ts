/** Adapters of language models: what they score here, and in AdapterHub's library where Python is at hand. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { folderOf, goldenBatchRows, logitsOf, openDecoder, plainBatch, withoutPadding } from './decoderModels.ts';
import { goldenFolder, readTensors } from './fixtures.ts';

export const adaptersPython = process.env['ATTUNE_TEST_ADAPTERS_PYTHON'];

const step0Of = (family: string) => readTensors(`decoders/${family}/step0.safetensors`);

export async function openHub(folder: string, family: string) {
  const { method, open } = (await readAdapter(folder))!;
  const adapter = await open();
  const opened = await openDecoder(family, { method, adapter });
  await adapter.close();
  return opened;
}

/** Scores of every token of the golden input. */
export async function answersHere(folder: string, family: string): Promise<Float32Array> {
  const opened = await openHub(folder, family);
  const step0 = await step0Of(family);
  return withoutPadding(await logitsOf(opened, plainBatch(goldenBatchRows(step0)).feeds), step0);
}

/** What the library scores over the same base. */
export async function answersThere(folder: string, family: string): Promise<number[]> {
  const rows = goldenBatchRows(await step0Of(family)).map(({ input_ids }) => ({ input_ids }));
  const input = join(folder, 'input.json');
  writeFileSync(input, JSON.stringify({ rows }));
  const script = join(goldenFolder, '../../tools/golden/open_adapter_hub.py');
  const said = execFileSync(adaptersPython!, [script, folder, folderOf(family), input], { encoding: 'utf8' });
  return (JSON.parse(said).logits as number[][][]).flat(2);
}
