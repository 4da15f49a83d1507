/** Wishes about layers that choose nothing, or are none. */
import { describe, expect, test } from 'vitest';
import { type MethodName, methods } from '../../src/methods/index.ts';
import { openPartial } from '../golden/partial.ts';

const run = { totalSteps: 10, stepsOfEpoch: [10] };
const open = ([name, given]: readonly [MethodName, object], facts: Parameters<typeof openPartial>[1] = { run }) =>
  openPartial(methods[name as 'lora'].settings.parse({ name, ...given }), facts);

test.each([
  [['lora', { exclude_modules: ['query', 'value'] }], 'exclude_modules', /^it leaves none of the layers that target_/],
  [['lora', { modules_to_save: ['encoder'] }], 'modules_to_save', /^encoder is trained whole/],
  [['ia3', { exclude_modules: ['key', 'nothing'] }], 'exclude_modules', /^'nothing' matches nothing$/],
  [['adalora', { exclude_modules: 'no.*' }], 'exclude_modules', /^'no\.\*' matches nothing$/],
  [['lora', { exclude_modules: '((' }], 'exclude_modules', /^'\(\(' is no regular expression$/],
  [['dora', { target_modules: '((' }], 'target_modules', /^'\(\(' is no regular expression$/],
  [['ln_tuning', { target_modules: '((' }], 'target_modules', /^'\(\(' is no regular expression$/],
  [['ia3', { feedforward_modules: '((' }], 'feedforward_modules', /^'\(\(' is no regular expression$/],
  [['prefix_tuning', { encoder_hidden_size: 8 }], 'encoder_hidden_size', /^8 is the width of a network, and prefix_/],
  [['lora', { target_modules: ['query', 'qurey'] }], 'target_modules', /^'qurey' matches nothing$/],
] as const)('%j is refused', async (wish, key, problem) => {
  await expect(open(wish)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: `method.${key}`,
    problem: expect.stringMatching(problem),
  });
});

test.each([
  { exclude_modules: ['key', 'value'] },
  { exclude_modules: ['classifier'] },
  { exclude_modules: '.*layer\\.0.*' },
  { target_modules: '.*(query|value)' },
])('%j is a wish that chooses something', async (wish) => {
  await expect(open(['lora', wish])).resolves.toBeDefined();
});

describe('a saved adapter answers as it was trained', () => {
  test.each([
    { exclude_modules: ['nothing'] },
    { init: 'pissa', r: 40, target_modules: ['query'] },
    { init: 'loftq', base_precision: 'int4', r: 40, target_modules: ['query'] },
  ])('with %j', async (wish) => {
    await expect(open(['lora', wish], {})).resolves.toBeDefined();
    await expect(open(['lora', wish])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

test.each([
  { init: 'pissa' },
  { init: 'olora' },
  { init: 'loftq', base_precision: 'int4' },
  { init: 'loftq', base_precision: 'int8' },
])('%j finds no more directions than a layer has', async (start) => {
  // Queries are [32, 32].
  await expect(open(['lora', { ...start, r: 32 }])).resolves.toBeDefined();
  await expect(open(['lora', { ...start, r: 33 }])).rejects.toMatchObject({
    where: 'method.r',
    problem: expect.stringMatching(
      /^(pissa|olora|loftq) starts from directions of .*query, which has 32, and the rank is 33$/,
    ),
  });
});

test('a layer that LoftQ leaves out has the usual start, and any rank', async () => {
  // The feed-forward layers are [48, 32], which is not made of blocks of 32 both ways.
  const wide = { target_modules: ['query', 'intermediate.dense'], r: 8, rank_pattern: { 'intermediate.dense': 36 } };
  await expect(open(['lora', { init: 'loftq', base_precision: 'int4', ...wide }])).resolves.toBeDefined();
  await expect(open(['lora', { init: 'loftq', base_precision: 'int8', ...wide }])).rejects.toMatchObject({
    where: 'method.r',
  });
});

test.each([
  [{ layers: '5-2' }, '.layers', '5-2 ends before it begins', 'give 2-5'],
  [{ layers: '0,2-1' }, '.layers', '2-1 ends before it begins', 'give 1-2'],
  [{ layers: '2-1', head: false }, '.layers', '2-1 ends before it begins', 'give 1-2'],
  [{ head: false }, '', 'it trains nothing', 'give a number of last layers, or head: true'],
])('freeze %j is refused', async (trainable, key, problem, fix) => {
  await expect(open(['freeze', { trainable }])).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: `method.trainable${key}`,
    problem,
    fix,
  });
});

const wholePath = ': a text is one regular expression over the whole path';
test.each([
  [['lora', { target_modules: 'query' }], 'target_modules', `write [query], or '.*\\.query'${wholePath}`],
  [['lora', { target_modules: 'output.dense' }], 'target_modules', `[output.dense], or '.*\\.output\\.dense'`],
  [['lora', { exclude_modules: 'query' }], 'exclude_modules', `write [query], or '.*\\.query'${wholePath}`],
  [['ln_tuning', { target_modules: 'LayerNorm' }], 'target_modules', `write [LayerNorm], or '.*\\.LayerNorm'`],
  [['ia3', { feedforward_modules: 'output.dense' }], 'feedforward_modules', `write [output.dense], or '.*`],
  [['lora', { target_modules: 'qurey' }], 'target_modules', '(a text is one regular expression over the whole path)'],
  [['lora', { target_modules: ['all-linear'] }], 'target_modules', 'write it alone and without brackets: all-linear'],
  [['lora', { target_modules: ['qurey'] }], 'target_modules', '(the end of a path is enough)'],
] as const)('what %j should have said is told', async (wish, key, fix) => {
  await expect(open(wish)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: `method.${key}`,
    fix: expect.stringContaining(fix),
  });
});
