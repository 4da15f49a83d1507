/** The adapter alone, as the PEFT folder that it is saved as. */
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import type { Adapter } from '../../store/adapters/index.ts';

/** The adapter of a target, where PEFT has its method. */
export function peftAdapter(adapter: Adapter | undefined, where: string): Adapter {
  if (adapter?.method.name === 'lora') return adapter;
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
}
