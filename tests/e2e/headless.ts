/** A LoRA as PEFT saves it without a task: its file has no head, and the base's answers. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { safetensorsChunks } from '../../src/files/index.ts';
import { readJson, tensorsOf } from './attune.ts';

export function copyWithoutHead(adapter: string, headless: string): void {
  cpSync(adapter, headless, { recursive: true });
  rmSync(join(headless, 'attune.json'));
  const weights = join(headless, 'adapter_model.safetensors');
  const tensors = [...tensorsOf(weights)].filter(([name]) => !name.includes('classifier'));
  const shapes = readJson<{ tensors: Record<string, number[]> }>(adapter, 'attune.json').tensors;
  const kept = tensors.map(([name, data]) => {
    return { name, dtype: 'float32' as const, shape: shapes[name.replace('base_model.model.', '')]!, data };
  });
  writeFileSync(weights, Buffer.concat([...safetensorsChunks(kept)]));
  const config = readJson<object>(headless, 'adapter_config.json');
  const changed = { ...config, task_type: null, modules_to_save: null };
  writeFileSync(join(headless, 'adapter_config.json'), JSON.stringify(changed));
}
