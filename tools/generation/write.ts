/** npm run docs:generation [-- MODEL]: writes the pictures of docs/guide/generation.md, of a model that is given or of the last one. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { folder, writeDistribution } from './distribution.ts';
import { drawPictures } from './pictures.ts';

const [model] = process.argv.slice(2);
if (model) await writeDistribution(model, basename(model).replace(/\.gguf$/, ''));
for (const [name, text] of Object.entries(drawPictures())) writeFileSync(join(folder, name), text);
