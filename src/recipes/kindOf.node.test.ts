import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readAdapter } from '../store/adapters/index.ts';
import { taskOf } from './kindOf.node.ts';

const golden = join(import.meta.dirname, '../../tests/golden');
const folder = mkdtempSync(join(tmpdir(), 'attune-kind-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
cpSync(join(golden, 'lora-tiny/plain/adapter'), folder, { recursive: true });
const where = join(folder, 'adapter_config.json');
const written = JSON.parse(readFileSync(where, 'utf8')) as object;

/** Of a PEFT folder with these fields, over a base of that kind. */
async function taskWith(fields: object, base: string): Promise<string> {
  writeFileSync(where, JSON.stringify({ ...written, ...fields }));
  const adapter = (await readAdapter(folder))!;
  return await taskOf({ adapter, artifact: { folder: join(golden, base) } });
}

const [bert, llama] = ['bert-tiny/model', 'decoders/llama/model'];
const byClass = (name: string) => ({ task_type: null, auto_mapping: { base_model_class: name } });

describe('the task of a PEFT folder', () => {
  it.each([
    [{ task_type: 'SEQ_CLS' }, llama, 'text-classification'],
    [{ task_type: 'CAUSAL_LM' }, llama, 'causal-lm'],
    [byClass('LlamaForSequenceClassification'), llama, 'text-classification'],
    [byClass('LlamaForCausalLM'), llama, 'causal-lm'],
  ])('is what it says: %j', async (fields, base, task) => {
    expect(await taskWith(fields, base)).toBe(task);
  });

  it.each([{ task_type: null }, { task_type: undefined }, byClass('BertModel')])(
    'is that of its base where it says nothing: %j',
    async (fields) => expect(await taskWith(fields, bert)).toBe('text-classification'),
  );

  it.each([
    ...['TOKEN_CLS', 'QUESTION_ANS', 'SEQ_2_SEQ_LM', 'FEATURE_EXTRACTION', 'seq_cls', 3].map((task_type) => [
      { task_type },
      `task_type is ${JSON.stringify(task_type)}`,
    ]),
    [byClass('BertForTokenClassification'), 'auto_mapping.base_model_class is "BertForTokenClassification"'],
  ] as [object, string][])('is refused where there is no such: %j', async (fields, problem) => {
    await expect(taskWith(fields, bert)).rejects.toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where,
      problem: expect.stringContaining(problem),
      fix: expect.stringContaining('SEQ_CLS, CAUSAL_LM'),
    });
  });
});
