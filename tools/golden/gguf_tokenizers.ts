/**
 * tests/golden/gguf/tokenizers.json: the ids that llama.cpp gives texts, by way of splitting. Needs node-llama-cpp, which
 * is no dependency of ours: npx tsx tools/golden/gguf_tokenizers.ts FOLDER_WITH_NODE_MODULES [SMOLLM2.gguf]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { texts, tokenizerFile, variants } from '../../tests/golden/ggufTokenizer.ts';

const root = resolve(import.meta.dirname, '..', '..');
const target = join(root, 'tests', 'golden', 'gguf', 'tokenizers.json');

interface Model {
  tokenize(text: string, specialTokens: boolean): number[];
}

async function main(): Promise<void> {
  const [from, smollm2] = process.argv.slice(2);
  const resolved = createRequire(join(resolve(from!), 'package.json')).resolve('node-llama-cpp');
  const { getLlama } = await import(pathToFileURL(resolved).href);
  const { version } = JSON.parse(readFileSync(join(from!, 'node_modules', 'node-llama-cpp', 'package.json'), 'utf8'));
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  const open = (modelPath: string): Promise<Model> => llama.loadModel({ modelPath, vocabOnly: true });
  const folder = mkdtempSync(join(tmpdir(), 'tokenizers-'));
  const ids: Record<string, number[][]> = {};
  for (const name of Object.keys(variants)) {
    writeFileSync(join(folder, `${name}.gguf`), tokenizerFile(name));
    const model = await open(join(folder, `${name}.gguf`));
    ids[name] = texts.map((text) => Array.from(model.tokenize(text, true)));
  }
  rmSync(folder, { recursive: true });
  if (smollm2) {
    const model = await open(smollm2);
    ids['SmolLM2-135M-Instruct'] = texts.map((text) => Array.from(model.tokenize(text, true)));
  }
  const made_by = {
    script: 'tools/golden/gguf_tokenizers.ts',
    versions: { 'node-llama-cpp': version },
    tolerance: { exact: true },
  };
  const rows = Object.entries(ids).map(
    ([name, of]) => ` ${JSON.stringify(name)}: [\n${of.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n ]`,
  );
  writeFileSync(target, `{\n "made_by": ${JSON.stringify(made_by)},\n${rows.join(',\n')}\n}\n`);
  process.exit(0);
}

await main();
