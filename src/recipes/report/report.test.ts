import fc from 'fast-check';
import { convert } from 'html-to-text';
import { describe, expect, test } from 'vitest';
import { classBalance } from '../../data/index.ts';
import { metricsWith } from '../../evaluation/index.ts';
import { type Chart, lineChart } from './chart.ts';
import { html } from './html.ts';
import { type AnsweredSplit, judge, predictionLines, predictionRows, type RunFacts, reportPage } from './index.ts';

/** Rows whose answer is `predicted`, with the probability `sure` in ten thousandths. */
interface Row {
  readonly text: string;
  readonly truth: number;
  readonly predicted: number;
  readonly sure?: number;
}

function answeredSplit(rows: readonly Row[], labels: readonly string[]): AnsweredSplit {
  const logits = rows.flatMap(({ predicted, sure = 9000 }) =>
    labels.map((_, i) => Math.log(i === predicted ? sure / 10_000 : (1 - sure / 10_000) / (labels.length - 1))),
  );
  return {
    examples: rows.map(({ text, truth }, i) => ({ text, label: labels[truth]!, where: `test.jsonl:${i + 1}` })),
    answers: { numLabels: labels.length, truths: rows.map(({ truth }) => truth), logits: Float32Array.from(logits) },
    labels,
    threshold: undefined,
  };
}

/** The fields of a run that these tests look at. */
function page(rows: readonly Row[], labels: readonly string[], changes: Partial<RunFacts> = {}): string {
  const answered = answeredSplit(rows, labels);
  const none = { accuracy: 0, f1: 0, precision: 0, recall: 0, matthews_correlation: 0, loss: 0.25 };
  const metrics = rows.length > 0 ? metricsWith(undefined, answered.answers, none) : null;
  const balance = classBalance(answered.examples, labels);
  const run = {
    status: 'succeeded',
    error: null,
    base_model: 'org/base',
    labels,
    class_weights: null,
    threshold: null,
    rows: { train: 90, validation: 0, test: rows.length, dropped: 0, truncated: 0, leaked: 0 },
    before: null,
    base_loss: null,
    metrics,
    best_step: 20,
    guards: { skipped_steps: 0, rollbacks: 0, events: [] },
    steps: 20,
    total_steps: 20,
    trainable_parameters: 10,
    total_parameters: 1000,
    timing: { load_seconds: 1, train_seconds: 2, eval_seconds: 3, examples_per_second: 4, tokens_per_second: 5 },
    peak_memory_bytes: 2e9,
    artifact_bytes: null,
    versions: { attune: '0.1.0' },
    machine: { processor: 'P', threads: 2, platform: 'linux x64' },
    started_at: '2026-11-23T10:00:00.000Z',
    recipe: { output_dir: 'runs/a', data: { max_length: 32 }, evaluation: {}, training: {} },
    ...changes,
  } as unknown as RunFacts;
  const measured = { split: 'test' as const, ...judge(predictionRows(answered), labels) };
  const log = [
    { step: 10, loss: 0.9, learning_rate: 5e-5 },
    { step: 20, loss: 0.5, learning_rate: 0 },
  ];
  return reportPage({
    run,
    log,
    measured: rows.length > 0 ? measured : undefined,
    balance: { train: balance, test: balance },
    validated: undefined,
  });
}

const textOf = (markup: string): string => convert(markup, { wordwrap: false });
const right = (label: number): Row => ({ text: 'fine', truth: label, predicted: label });
const rowsOf = (count: number, row: (i: number) => Row): Row[] => Array.from({ length: count }, (_, i) => row(i));

describe('a page', () => {
  const rows = [...rowsOf(90, (i) => right(i % 2)), ...rowsOf(10, () => ({ text: 'odd one', truth: 1, predicted: 0 }))];

  test('says how good the model is, and how sure that is', () => {
    const text = textOf(page(rows, ['ham', 'spam']));
    expect(text).toContain('Accuracy on 100 test rows');
    expect(text).toContain('90.0 %');
    expect(text).toContain('82.6 % to 94.5 % with 95 % confidence (Wilson interval)');
    expect(text).toMatch(/recall of spam\s*0\.818/i);
  });

  test('shows what the guards did, and nothing where they did nothing', () => {
    expect(textOf(page(rows, ['ham', 'spam']))).not.toMatch(/guards/i);
    const events = [
      { step: 7, event: 'skipped', reason: 'the loss is NaN', layer: 'bert <x>', worst_rows: ['a.jsonl:3'] },
      { step: 20, event: 'warning', reason: 'not learning: so it is' },
    ] as const;
    const markup = page(rows, ['ham', 'spam'], { guards: { skipped_steps: 1, rollbacks: 0, events } });
    expect(markup).toContain('<p class="warning">Step 20: not learning: so it is</p>');
    const text = textOf(markup);
    expect(text).toContain('Updates that were left out: 1. Ways back to an earlier state: 0.');
    expect(text).toMatch(/7\s*skipped\s*the loss is NaN\s*bert <x>\s*a\.jsonl:3/);
  });

  test('loads nothing and runs nothing', () => {
    const markup = page(rows, ['ham', 'spam']);
    expect(markup).not.toMatch(/NaN|undefined|\[object/);
    expect(markup).toContain(`content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;"`);
    expect(markup).not.toMatch(/<script|<link|<img|<iframe|\ssrc=|\shref=|url\(|@import|https?:/i);
  });

  test('shows counts and shares in the matrix, and the mistakes', () => {
    const markup = page(rows, ['ham', 'spam']);
    expect(markup).toContain('title="10 rows of spam answered ham: 18.2 % of them">10<');
    expect(textOf(markup)).toContain('10 of 100 rows were answered wrongly.');
    expect(markup.match(/<li>/g)).toHaveLength(10);
  });

  test('of many labels it names the pairs that are confused, and the weakest first', () => {
    const labels = rowsOf(21, right).map((_, i) => `[${i}]`);
    const mistakes = [1, 2, 2, 3, 3, 3].map((truth) => ({ text: 'x', truth, predicted: truth + 4 }));
    // Label 1 has no other row: the largest share, but the fewest rows.
    const others = rowsOf(210, (i) => right(i % 21)).filter(({ truth }) => truth !== 1);
    const text = textOf(page([...others, ...mistakes], labels));
    expect(text).not.toContain('Confusion matrix');
    const pairs = text.slice(text.search(/most confused/i), text.search(/label by label/i));
    expect(pairs.match(/\[\d+\]/g)).toEqual(['[3]', '[7]', '[2]', '[6]', '[1]', '[5]']);
    const weakest = text.slice(text.search(/label by label/i), text.search(/worst mistakes/i)).match(/\[\d+\]/g);
    expect(weakest!.slice(0, 3)).toEqual(['[1]', '[3]', '[7]']);
    expect(textOf(page([right(0)], labels.slice(0, 20)))).toMatch(/confusion matrix/i);
  });

  test('says that nothing was measured, or logged', () => {
    expect(textOf(page([], ['a', 'b']))).toContain('Nothing was measured.');
    expect(textOf(page(rows, ['a', 'b'], { status: 'stopped', steps: 7, total_steps: 90 }))).toContain(
      'stopped at step 7 of 90',
    );
  });

  test('warns where the figures say less than they seem to', () => {
    const few = [...rowsOf(9, () => right(0)), { text: 'x', truth: 1, predicted: 0 }];
    const counts = { train: 90, validation: 0, test: 10, dropped: 0, truncated: 0, leaked: 3 };
    const text = textOf(page(few, ['ham', 'spam'], { rows: counts }));
    expect(text).toContain('3 validation or test rows repeat a training row');
    expect(text).toContain('Always answering ham would be right on 90.0 % of these rows');
    expect(text).toContain('10 rows are few');
    expect(textOf(page(rows, ['ham', 'spam']))).not.toMatch(/repeat a training row|Always|few/);
  });
});

describe('texts of users', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '</style></title><b>&lt;&amp;',
    '很好，我会再来 👍🏽 \u0000\u001b[31m',
  ];

  test.each(hostile)('%j stays a text, wherever it stands', (text) => {
    const markup = page([right(0), { text, truth: 1, predicted: 0 }], [`${text}a`, `${text}b`], {
      base_model: text,
      recipe: { output_dir: text, data: {}, evaluation: {}, training: {} } as never,
    });
    expect(markup).not.toMatch(/<script|<img|<b>&lt;|\sonmouseover='|<\/style><\/title>/);
    const visible = text.replace('\u0000', '\ufffd').replace('\u001b', '\ufffd');
    expect(textOf(markup)).toContain(visible);
  });

  test('come out of the markup as they went in', () => {
    const anyText = fc.string({ unit: 'grapheme-composite' }).filter((text) => text.trim() === text && text !== '');
    fc.assert(
      fc.property(anyText, (text) => {
        const { markup } = html`<p title="${text}">${[text]}${undefined}${3}</p>`;
        expect(markup.match(/["<>]/g)).toHaveLength(6);
        const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
        const back = markup.slice(10, markup.indexOf('">')).replace(/&([^;]+);/g, (_, name) => entities[name]!);
        expect(back).toBe(text);
      }),
    );
  });

  test('are folded where they are long, and cut where they are very long', () => {
    const markup = (length: number) => page([{ text: 'é'.repeat(length), truth: 0, predicted: 1 }], ['a', 'b']);
    expect(markup(320)).not.toContain('<details class="text"');
    expect(markup(321)).toContain('<details class="text"');
    expect(markup(6000)).not.toContain('cut here');
    expect(markup(6001)).toContain('cut here');
    expect(markup(1_000_000).length).toBeLessThan(60_000);
  });
});

test('the worst mistakes are the surest of all, however many there are', () => {
  const labels = ['a', 'b'];
  const rows = rowsOf(900, (i) => ({
    text: `${i}`,
    truth: i % 2,
    predicted: 1 - (i % 2),
    sure: 5001 + ((i * 997) % 900),
  }));
  const { worst, rows: total, confusion } = judge(predictionRows(answeredSplit(rows, labels)), labels);
  const surest = [...rows].sort((a, b) => b.sure! - a.sure!).slice(0, 20);
  expect(worst.map(({ text }) => text)).toEqual(surest.map(({ text }) => text));
  expect({ total, confusion }).toEqual({
    total: 900,
    confusion: [
      [0, 450],
      [450, 0],
    ],
  });
});

test('predictions come in pieces of whole lines, in order', () => {
  const split = answeredSplit(
    rowsOf(2500, (i) => ({ ...right(i % 2), text: `row ${i}` })),
    ['a', 'b'],
  );
  const pieces = [...predictionLines(split)];
  expect(pieces.length).toBe(3);
  const lines = pieces
    .join('')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  expect(lines.map(({ text }) => text)).toEqual(split.examples.map(({ text }) => text));
  expect(lines[1]).toEqual({
    where: 'test.jsonl:2',
    text: 'row 1',
    label: 'b',
    prediction: 'b',
    score: 0.9,
    scores: { a: 0.1, b: 0.9 },
    correct: true,
  });
});

describe('a chart', () => {
  const chart = (points: readonly (readonly [number, number])[], changes: Partial<Chart> = {}): string => {
    const series = [{ name: 'loss', tone: 'plain', dots: false, points: points.map(([x, y]) => ({ x, y })) }] as const;
    return lineChart({ title: 'Loss', xTitle: 'step', yTitle: 'loss', height: 320, series, ...changes }).markup;
  };
  const ticks = (markup: string, side: 'middle' | 'end') =>
    [...markup.matchAll(new RegExp(`class="tick ${side}"[^>]*>([^<]+)<`, 'g'))].map(([, text]) => text);

  test.each([
    [
      'from zero',
      [
        [10, 2.3],
        [300, 0.4],
      ],
      ['0', '0.5', '1', '1.5', '2', '2.5'],
      ['0', '50', '100', '150', '200', '250', '300'],
    ],
    [
      'far above zero',
      [
        [1, 2.02],
        [4, 1.94],
      ],
      ['1.94', '1.96', '1.98', '2', '2.02'],
      ['0', '1', '2', '3', '4'],
    ],
    [
      'tiny',
      [
        [10, 5e-5],
        [20, 0],
      ],
      ['0', '1e-5', '2e-5', '3e-5', '4e-5', '5e-5'],
      ['0', '5', '10', '15', '20'],
    ],
    [
      'huge',
      [
        [1, 0.7],
        [2, 4.1e17],
      ],
      ['0', '1e17', '2e17', '3e17', '4e17', '5e17'],
      ['0', '1', '2'],
    ],
    ['one point', [[3, 0.7]], ['0.6', '0.8'], ['0', '1', '2', '3']],
    ['only zeros', [[0, 0]], ['0', '0.2'], ['0', '1']],
  ] as const)('has round numbers on its axes: %s', (_, points, y, x) => {
    const markup = chart(points);
    expect(ticks(markup, 'end')).toEqual(y);
    expect(ticks(markup, 'middle')).toEqual(x);
    expect(markup).not.toMatch(/NaN|Infinity/);
  });

  test('puts points where their axes say: the first at the left and top, the last at the right and bottom', () => {
    expect(
      chart([
        [0, 1],
        [10, 0],
      ]),
    ).toContain('points="62,22 902,276"');
  });

  test('takes more points than a call takes arguments', () => {
    const markup = chart(Array.from({ length: 200_000 }, (_, i) => [i, i % 2] as const));
    expect(ticks(markup, 'end')).toContain('1');
  });

  test('thins a long line to the means of neighbours', () => {
    const line = chart(rowsOf(5000, right).map((__, i) => [i, i % 2] as const))
      .match(/points="([^"]+)"/)![1]!
      .split(' ');
    expect(line.length).toBeLessThanOrEqual(600);
    expect(Number(line[0]!.split(',')[0])).toBeLessThan(64);
    expect(Number(line.at(-1)!.split(',')[0])).toBeGreaterThan(900);
    for (const point of line.slice(0, -1)) expect(Math.abs(Number(point.split(',')[1]) - 149)).toBeLessThan(20);
  });
});
