import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readAdapter } from './adapterFolder.node.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-foreign-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const where = join(folder, 'adapter_config.json');

async function refused(config: object): Promise<unknown> {
  writeFileSync(where, JSON.stringify(config));
  return await readAdapter(folder).then(
    () => 'opened',
    (failure: unknown) => failure,
  );
}

describe('a field of another program with a value that can be none is named with it', () => {
  const parameters = { rank: 8, scale: 20, dropout: 0 };
  it.each([
    [null, 'lora_parameters: got null; '],
    ['rank 8', 'lora_parameters: got "rank 8"; '],
    [{ ...parameters, rank: '8' }, 'lora_parameters.rank: got "8"; '],
    [{ rank: 8 }, 'lora_parameters.scale: got nothing; '],
    [{ ...parameters, scale: -1 }, 'lora_parameters.scale: got -1; '],
  ])('of MLX-LM: %j', async (given, problem) => {
    const config = { fine_tune_type: 'lora', model: 'base', lora_parameters: given };
    expect(await refused(config)).toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where,
      problem: expect.stringContaining(problem),
      fix: expect.stringContaining('that it was trained with'),
    });
  });

  const lora = { architecture: 'lora', r: 4, alpha: 8, attn_matrices: ['q', 'v'] };
  it.each([
    [null, 'config: got null; '],
    [{ ...lora, attn_matrices: 'qv' }, 'config.attn_matrices: got "qv"; '],
    [{ ...lora, attn_matrices: ['q', 'o'] }, 'config.attn_matrices.1: got "o"; '],
    [{ ...lora, r: 0 }, 'config.r: got 0; '],
    [{ ...lora, alpha: null }, 'config.alpha: got null; '],
    [{ original_ln_before: true, output_adapter: true, reduction_factor: -1 }, 'config.reduction_factor: got -1; '],
  ])('of AdapterHub: %j', async (config, problem) => {
    expect(await refused({ name: 'a', model_name: 'base', config })).toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where,
      problem: expect.stringContaining(problem),
    });
  });

  it("but not one that AdapterHub's library leaves to its defaults", async () => {
    writeFileSync(
      where,
      JSON.stringify({ name: 'a', model_name: 'base', config: { ...lora, attn_matrices: undefined } }),
    );
    const { method } = (await readAdapter(folder))!;
    expect(method).toMatchObject({ target_modules: expect.stringMatching(/query.*value/) });
  });
});

describe('of PEFT', () => {
  const lora = { peft_type: 'LORA', base_model_name_or_path: 'base', r: 4, target_modules: ['query'] };

  it('modules that a prompt saved whole are known by their tensors', async () => {
    const prompt = { peft_type: 'PROMPT_TUNING', base_model_name_or_path: 'base', num_virtual_tokens: 4 };
    expect(await refused({ ...prompt, modules_to_save: ['score', 'pooler'] })).toBe('opened');
  });

  it.each([
    ['pissa_niter_4', 'path_initial_model_for_weight_conversion'],
    ['olora', 'path_initial_model_for_weight_conversion'],
    ['lora_ga', 'path_initial_model_for_weight_conversion'],
    ['loftq', 'merge_and_unload'],
  ])('the start %s changes the base: %s helps', async (init, fix) => {
    expect(await refused({ ...lora, init_lora_weights: init })).toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      problem: `init_lora_weights is "${init}", which is not read here`,
      fix: expect.stringContaining(fix),
    });
  });

  it('the start of MiCA opens: it leaves the base alone', async () => {
    expect(await refused({ ...lora, init_lora_weights: 'mica' })).toBe('opened');
  });
});
