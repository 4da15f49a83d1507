/** Weights of adapters that are refused once they are open, and that nothing holds open afterwards. */
import { cpSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { safetensorsChunks } from '../../files/index.ts';
import { readAdapter } from './adapterFolder.node.ts';

const golden = join(import.meta.dirname, '../../../tests/golden');
const out = mkdtempSync(join(tmpdir(), 'attune-refused-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const tensor = (name: string) => ({ name, dtype: 'float32' as const, shape: [1], data: Float32Array.of(1) });
const fileOf = (...names: string[]): Buffer => Buffer.concat([...safetensorsChunks(names.map(tensor))]);

/** Files of the folder that this process holds open; none where the system does not tell. */
function held(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  const links = readdirSync('/proc/self/fd').flatMap((one) => {
    try {
      return [readlinkSync(join('/proc/self/fd', one))];
    } catch {
      return []; // that of the list itself
    }
  });
  return links.filter((path) => path.startsWith(folder));
}

/** What opening a copy of an adapter says, where these files stand in it. */
async function refusal(adapter: string, files: Readonly<Record<string, Buffer>>) {
  const folder = mkdtempSync(join(out, 'adapter-'));
  cpSync(join(golden, adapter), folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  const failure = await readAdapter(folder)
    .then((found) => found!.open())
    .then(
      () => undefined,
      (error: unknown) => error as { code: string; where: string; problem: string },
    );
  return { ...failure!, problem: failure!.problem, folder, held: held(folder) };
}

const [peft, hub, mlx] = ['lora-tiny/plain/adapter', 'adapterhub-tiny/pfeiffer/adapter', 'mlx-tiny/lora'];

it('what is open is seen', async () => {
  const folder = join(out, 'open');
  cpSync(join(golden, peft), folder, { recursive: true });
  const checkpoint = await (await readAdapter(folder))!.open();
  if (process.platform === 'linux') expect(held(folder)).toEqual([join(folder, 'adapter_model.safetensors')]);
  await checkpoint.close();
  expect(held(folder)).toEqual([]);
});

describe('two stored names for one tensor of the model', () => {
  const [inner, outer] = ['base_model.model.bert.x.base_layer.weight', 'base_model.model.bert.x.weight'];
  it.each([
    ['PEFT', peft, { 'adapter_model.safetensors': fileOf(inner, outer) }, 'bert.x.weight', [inner, outer]],
    [
      'AdapterHub',
      hub,
      {
        'adapter.safetensors': fileOf(
          'bert.y.output.adapters.reviews.adapter_up.bias',
          'bert.y.output.layer_text_task_adapters.reviews.adapter_up.bias',
        ),
      },
      'bert.y.output.adapter_up.bias',
      ['bert.y.output.adapters.', 'bert.y.output.layer_text_task_adapters.'],
    ],
    [
      "AdapterHub's two files",
      hub,
      { 'adapter.safetensors': fileOf('classifier.bias'), 'model_head.safetensors': fileOf('classifier.bias') },
      'classifier.bias',
      ["adapter.safetensors are both 'classifier.bias'"],
    ],
  ])('are refused: %s', async (_, adapter, files, name, said) => {
    const { code, where, problem, folder, held: open } = await refusal(adapter, files);
    expect([code, where]).toEqual(['SAFETENSORS_CORRUPT', join(folder, Object.keys(files).at(-1)!)]);
    for (const part of [...said, `are both '${name}' of the model`]) expect(problem).toContain(part);
    expect(open).toEqual([]);
  });
});

describe('a file that is refused is closed', () => {
  it.each([
    ['with a tensor that PEFT does not name', peft, 'adapter_model.safetensors', fileOf('bert.x.weight')],
    ['with a tensor that MLX-LM does not name', mlx, 'adapters.safetensors', fileOf('model.x.weight')],
    ['beside a head that is cut short', hub, 'model_head.safetensors', fileOf('classifier.bias').subarray(0, -1)],
    ['beside an adapter that is cut short', hub, 'adapter.safetensors', fileOf('x').subarray(0, -1)],
  ])('%s', async (_, adapter, file, bytes) => {
    const { where, folder, held: open } = await refusal(adapter, { [file]: bytes });
    expect(where).toBe(join(folder, file));
    expect(open).toEqual([]);
  });
});
