/** Compiles src/engine/kernels/kernels.as.ts to kernels.generated.ts. `--check` only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const folder = new URL('../src/engine/kernels/', import.meta.url);
const source = readFileSync(new URL('kernels.as.ts', folder), 'utf8');
const flags = [
  '--outFile',
  'kernels.wasm',
  '--runtime',
  'stub',
  '--importMemory',
  '--enable',
  'simd',
  '-O3',
  '--noAssert',
];
let wasm;
const { error, stderr } = await asc.main(['kernels.as.ts', ...flags], {
  readFile: (name) => (name === 'kernels.as.ts' ? source : null),
  writeFile: (name, contents) => {
    if (name === 'kernels.wasm') wasm = contents;
  },
  listFiles: () => [],
});
if (error) throw new Error(`${error.message}\n${stderr}`);

const text = `/** Made by \`npm run kernels\` from kernels.as.ts: the WebAssembly module, in base64. */
export const kernelsModule =
  '${Buffer.from(wasm).toString('base64')}';
`;
const target = new URL('kernels.generated.ts', folder);
if (!process.argv.includes('--check')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) {
  console.error('kernels.generated.ts is not what kernels.as.ts compiles to: run `npm run kernels`');
  process.exit(1);
}
