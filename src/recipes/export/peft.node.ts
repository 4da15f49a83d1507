/** The adapter alone, as the PEFT folder that it is saved as. */
import { copyFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { type Adapter, MANIFEST, PEFT_CONFIG } from '../../store/adapters/index.ts';
import { writeDurably } from '../../store/runs/atomic.node.ts';
import { baseFolder } from '../target.node.ts';

/** The adapter of a target, where PEFT has its method. */
export function peftAdapter(adapter: Adapter | undefined, where: string): Adapter {
  if (adapter?.peft) return adapter;
  throw new AttuneError({
    code: 'EXPORT_UNSUPPORTED',
    where: `${where} --to peft`,
    problem: adapter ? `PEFT has no method like '${adapter.method.name}'` : 'it is a whole model, not an adapter',
    fix: 'write the whole model with --to hf',
  });
}

export async function writePeft(folder: string, adapter: Adapter): Promise<void> {
  for (const name of await readdir(adapter.folder)) {
    if (/^(adapter_.*|attune\.json)$/.test(name)) await copyFile(join(adapter.folder, name), join(folder, name));
  }
  const base = baseFolder(adapter);
  if (base) await nameBase(folder, adapter, resolve(base));
}

/** A path from the old folder, or from here, leads nowhere from the new one. */
async function nameBase(folder: string, { peft, manifest }: Adapter, base: string): Promise<void> {
  const write = (name: string, value: object): Promise<void> =>
    writeDurably(join(folder, name), [`${JSON.stringify(value, null, 2)}\n`]);
  await write(PEFT_CONFIG, { ...peft, base_model_name_or_path: base });
  if (manifest) await write(MANIFEST, { ...manifest, base: { ...manifest.base, name: base, reference: base } });
}
