import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { bytes, duration, rate, score } from './figures.ts';
import { openProgress } from './progress.ts';

function open({ isTTY }: { isTTY: boolean }) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  const clock = { ms: 0 };
  const progress = openProgress({ stream, totalSteps: 300, firstStep: 100, now: () => clock.ms });
  return { progress, clock, read: () => String(stream.read() ?? '') };
}

test('without a terminal: a line every ten seconds, for each evaluation and at the end', () => {
  const { progress, clock, read } = open({ isTTY: false });
  for (let step = 101; step <= 300; step++) {
    clock.ms += 150;
    progress.update({ step, loss: 100 / step, learningRate: 5e-5, tokensPerSecond: 5123.4, memoryBytes: 98e6 });
    if (step === 200) progress.evaluation(step, { loss: 0.4, accuracy: 0.91 });
  }
  progress.stop();
  progress.stop();
  expect(read()).toMatchInlineSnapshot(`
    "step 101/300  loss 0.9901  lr 5.00e-5  5,123 tokens/s  98 MB
    step 168/300  loss 0.5952  lr 5.00e-5  5,123 tokens/s  98 MB  20s left
    step 200: validation  loss 0.4000  accuracy 0.9100
    step 235/300  loss 0.4255  lr 5.00e-5  5,123 tokens/s  98 MB  10s left
    step 300/300  loss 0.3333  lr 5.00e-5  5,123 tokens/s  98 MB
    "
  `);
});

test('in a terminal: a bar, and lines above it', () => {
  const { progress, clock, read } = open({ isTTY: true });
  const screen = () =>
    read()
      .split('\u001b[1G')
      .map((part) => stripVTControlCharacters(part));
  screen();
  progress.update({ step: 101, loss: 0.7 });
  clock.ms += 1000;
  progress.update({ step: 200, loss: 0.5, tokensPerSecond: 800 });
  expect(screen().at(-1)).toMatchInlineSnapshot(
    `"████████████████░░░░░░░░  66%  200/300  loss 0.5000  800 tokens/s  1s left"`,
  );
  progress.evaluation(200, { accuracy: 0.9 });
  expect(screen().slice(-2)).toMatchInlineSnapshot(`
    [
      "step 200: validation  accuracy 0.9000
    ",
      "████████████████░░░░░░░░  66%  200/300  loss 0.5000  800 tokens/s  1s left",
    ]
  `);
  progress.stop();
  expect(screen().at(-1)).toMatch(/\n$/);
});

test('figures', () => {
  expect([0, 59.4, 61, 3599, 3660, 90_000].map(duration)).toMatchInlineSnapshot(`
    [
      "0s",
      "59s",
      "1m 01s",
      "59m 59s",
      "1h 01m",
      "25h 00m",
    ]
  `);
  expect([0, 512, 999.6, 98e6, 1.44e9, 2e15].map(bytes)).toMatchInlineSnapshot(`
    [
      "0 B",
      "512 B",
      "1.0 kB",
      "98 MB",
      "1.4 GB",
      "2000 TB",
    ]
  `);
  expect([0, 5e-5, 1].map(rate)).toMatchInlineSnapshot(`
    [
      "0",
      "5.00e-5",
      "1.00e+0",
    ]
  `);
  expect([0.41234, 123.456, -3].map(score)).toMatchInlineSnapshot(`
    [
      "0.4123",
      "123.46",
      "-3.0000",
    ]
  `);
});
