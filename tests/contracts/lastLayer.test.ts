/** A classifier reads one token of each text, the first or the last: of the last layer only that one is computed. */
import { expect, test } from 'vitest';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { describeModel } from '../../src/models/index.ts';
import { type Batch, buildProgram, packedInputs } from '../../src/models/nn/index.ts';
import { classify } from '../../src/tasks/index.ts';
import { goldenFolder } from '../golden/fixtures.ts';

const folder = `${goldenFolder}/bert-tiny/model`;
const description = describeModel(await requireJson(folder, 'config.json'), folder);

/** The shape in which each place of a layer drops values. */
function dropped(layer: number, batch?: Batch) {
  const { masks } = buildProgram(classify(description, { numLabels: 3 }), {
    dropoutRate: () => 0.1,
    ...(batch && { batch }),
  });
  const place = `layer.${layer}.`;
  const ofLayer = masks.filter(({ name }) => name.includes(place));
  return Object.fromEntries(
    ofLayer.map(({ name, tensor }) => [name.slice(name.indexOf(place) + place.length), tensor.shape]),
  );
}

const llama = `${goldenFolder}/decoders/llama/model`;

test('of a decoder the last token alone looks at the others, goes through the layer, and is normalised', async () => {
  const config = { ...((await requireJson(llama, 'config.json')) as object), attention_dropout: 0.5 };
  const built = (batch?: Batch) => {
    const described = describeModel(config, llama);
    return buildProgram(classify(described, { numLabels: 3 }), { dropoutRate: () => 0.1, ...(batch && { batch }) });
  };
  const shapes = (program: ReturnType<typeof built>) => program.masks.map(({ tensor }) => tensor.shape);
  expect(shapes(built())).toEqual([
    ['batch', 2, 2, 'tokens', 'tokens'],
    ['batch', 2, 2, 1, 'tokens'],
    ['batch', 24],
  ]);
  // The last place where a block ends is what the head reads.
  expect(built().boundaries.at(-1)!.shape).toEqual(['batch', 24]);
  expect(built(packedInputs()).boundaries.at(-1)!.shape).toEqual(['texts', 24]);
});

test('every layer below the last is computed for all tokens', () => {
  expect(dropped(1)).toEqual({
    'attention.self': ['batch', 4, 'tokens', 'tokens'],
    'attention.output': ['batch', 'tokens', 32],
    output: ['batch', 'tokens', 32],
  });
});

test('in the last layer one token of each text looks at the others, and it alone goes on', () => {
  expect(dropped(2)).toEqual({
    'attention.self': ['batch', 4, 1, 'tokens'],
    'attention.output': ['batch', 32],
    output: ['batch', 32],
  });
});

test('of packed texts all tokens look, and the first of each goes on', () => {
  expect(dropped(2, packedInputs())).toEqual({
    'attention.self': ['batch', 4, 'tokens', 'tokens'],
    'attention.output': ['texts', 32],
    output: ['texts', 32],
  });
});
