/** Gradual unfreezing of every method that offers it, on every architecture. */
import { describe, expect, test } from 'vitest';
import { chunks } from '../../src/data/batch.ts';
import { topological } from '../../src/engine/graph/index.ts';
import { checkpointOver } from '../../src/files/index.ts';
import { type MethodName, type MethodSettings, methods } from '../../src/methods/index.ts';
import { openings } from '../../src/methods/unfreezing.ts';
import type { GradientPromise } from '../../src/models/nn/index.ts';
import { gradientOutputs, type MicroBatch, openGuards, type Trainer, trainSteps } from '../../src/training/index.ts';
import { openStages } from '../../src/training/stages.ts';
import { goldenRows, openDecoder, plainBatch } from '../golden/decoderModels.ts';
import { goldenBatches, openPartial, trainerOf } from '../golden/partial.ts';
import { everyMethod } from './everyMethod.ts';

const totalSteps = 10;
const run = { totalSteps, stepsOfEpoch: [5, 5] };
/** Groups from the top: what follows the layers, three layers (two of the decoders), and the embeddings. */
const every = { every: 2, unit: 'steps' } as const;

type Opened = Awaited<ReturnType<typeof openPartial>>;

const decoderBatches = chunks(goldenRows(), 6).map(plainBatch);
const models: Record<string, { open(method: MethodSettings): Promise<Opened>; batches: readonly MicroBatch[] }> = {
  bert: { open: (method) => openPartial(method, { run }), batches: goldenBatches() },
  llama: { open: (method) => openDecoder('llama', { method, run }), batches: decoderBatches },
  gpt2: { open: (method) => openDecoder('gpt2', { method, run }), batches: decoderBatches },
};

const offering = (Object.keys(methods) as MethodName[]).filter(
  (name) => 'unfreeze_schedule' in methods[name].settings.shape,
);

test('methods whose tensors lie in the layers offer it, and no others', () => {
  const beside = ['prompt_tuning', 'prefix_tuning', 'p_tuning'];
  expect(offering).toEqual(Object.keys(methods).filter((name) => !beside.includes(name)));
});

/** With two layers or more, so that something rests. */
const several: Partial<Record<MethodName, object>> = {
  freeze: { trainable: 2 },
  adalora: { tinit: 30, tfinal: 0, total_step: 40 },
};
const pairs = Object.keys(models).flatMap((model) =>
  offering
    .filter((name) => !(model === 'llama' && name === 'bitfit'))
    .map((name) => {
      const settings = { ...everyMethod[name], ...several[name], unfreeze_schedule: every } as MethodSettings;
      return { model, name, settings, ...models[model]! };
    }),
);

const rounded = (['int8', 'int4'] as const).map((base_precision) => {
  const settings = { ...everyMethod.lora, base_precision, unfreeze_schedule: every } as MethodSettings;
  return { model: `bert in ${base_precision}`, name: 'lora' as const, settings, ...models['bert']! };
});

describe.each([...pairs, ...rounded])('$name on $model', ({ settings, open, batches }) => {
  test('what rests does not move by a bit, and what opens moves at once', async () => {
    const opened = await open(settings);
    const entries = entriesOf(opened);
    const times = [...new Set(entries.map(({ opensAfter }) => opensAfter))].sort((a, b) => a - b);
    expect(times.length).toBeGreaterThan(1);
    expect(times).toEqual(times.map((_, i) => 2 * i));
    await using trainer = await trainerOf(opened);
    await train(trainer, batches, [0, totalSteps], (step) => {
      for (const { name, arrays, opensAfter, start, gradient } of entries) {
        if (step <= opensAfter) {
          expect(arrays.weight, `${name} after step ${step}`).toEqual(start);
          expect(
            [...arrays.mean, ...arrays.square].every((value) => value === 0),
            name,
          ).toBe(true);
        } else if (step > opensAfter + waitOf(gradient)) expect(arrays.weight, name).not.toEqual(start);
      }
    });
  });

  test('a run that goes on from its state, with a step left out, ends with the same bits', async () => {
    const whole = await open(settings);
    await using trainer = await trainerOf(whole);
    await train(trainer, batches, [0, totalSteps]);
    const broken = await open(settings);
    await using first = await trainerOf(broken);
    await train(first, batches, [0, 5]);
    const state = new Map(first.state().map(({ name, data, shape }) => [name, { shape, data: data.slice() }]));
    const resumed = await open(settings);
    await using second = await trainerOf(resumed);
    await second.restore({ ...checkpointOver(state), where: 'state' });
    await train(second, batches, [5, totalSteps]);
    expect(second.state().map(({ data }) => data)).toEqual(trainer.state().map(({ data }) => data));
  });
});

/** Steps after its opening in which a tensor may stand still: what stands before zeros waits for two updates. */
const waitOf = (gradient: GradientPromise): number =>
  ({ always: 1, afterUpdate: 3, unlessSilent: 3, never: Number.POSITIVE_INFINITY })[gradient];

const entriesOf = ({ memory }: Opened) =>
  [...memory.trained].map(
    ([
      name,
      {
        arrays,
        parameter: { opensAfter, gradient },
      },
    ]) => {
      return { name, arrays, opensAfter, gradient, start: arrays.weight.slice() };
    },
  );

/** Step 4 is left out, as a guard does it: updates fall behind steps. */
async function train(
  trainer: Trainer,
  batches: readonly MicroBatch[],
  [from, to]: readonly [number, number],
  each: (step: number) => void = () => undefined,
): Promise<void> {
  for (let step = from + 1; step <= to; step++) {
    const { count } = await trainer.gradients([batches[step % batches.length]!], step);
    expect(trainer.gradientNorm(count)).toBeGreaterThan(0);
    const updates = step > 4 ? step - 1 : step;
    if (step !== 4) trainer.update({ step, updates, learningRate: 0.01, gradientScale: 1 / count });
    each(step);
  }
}

test('nothing is differentiated below what rests', async () => {
  const { program } = await models['bert']!.open({ ...everyMethod.full, unfreeze_schedule: every } as MethodSettings);
  const sizes = [0, 2, 4, 6, 8].map((last) => {
    const outputs = gradientOutputs(program, { isOpen: ({ opensAfter }) => opensAfter <= last });
    return topological(Object.values(outputs)).length;
  });
  const forward = topological([program.outputs.loss.sum]).length;
  const growth = sizes.map((size, i) => size - (sizes[i - 1] ?? forward));
  expect(growth.every((nodes) => nodes > 0)).toBe(true);
  // The way back through a head is short; that through each layer as long as through another.
  expect(growth[0]!).toBeLessThan(growth[1]! / 2);
  expect(Math.abs(growth[2]! / growth[3]! - 1)).toBeLessThan(0.1);
});

test('over several batches of one step, gradients of what is open are summed and those of what rests are zero', async () => {
  const opened = await models['bert']!.open({ ...everyMethod.full, unfreeze_schedule: every } as MethodSettings);
  await using trainer = await trainerOf(opened);
  const [first, second] = goldenBatches();
  // As where memory was tried with everything open, before the first step.
  await trainer.gradients([first!, second!], totalSteps);
  await trainer.gradients([first!, second!], 3);
  const totals = new Map([...opened.memory.trained].map(([name, { arrays }]) => [name, arrays.total.slice()]));
  const each = [];
  for (const batch of [first!, second!]) {
    await trainer.gradients([batch], 3);
    each.push(new Map([...opened.memory.trained].map(([name, { arrays }]) => [name, arrays.gradient.slice()])));
  }
  for (const [name, { parameter }] of opened.memory.trained) {
    const [total, ...parts] = [totals, ...each].map((found) => found.get(name)!);
    if (parameter.opensAfter >= 3)
      expect(
        [...total!, ...parts[0]!].every((value) => value === 0),
        name,
      ).toBe(true);
    else expect(total, name).toEqual(total!.map((_, i) => parts[0]![i]! + parts[1]![i]!));
  }
});

test('a tensor that opens and has no gradient stops the run', async () => {
  const opened = await models['bert']!.open({ ...everyMethod.full, unfreeze_schedule: every } as MethodSettings);
  // Nothing comes back through a norm of zeros.
  opened.memory.trained.get('bert.encoder.layer.2.attention.output.LayerNorm.weight')!.arrays.weight.fill(0);
  await using trainer = await trainerOf(opened);
  const guarding = { action: 'skip', maxSkippedSteps: 5, lastGood: async () => undefined } as const;
  const guards = openGuards({ ...guarding, trainer, memory: opened.memory });
  const schedule = { name: 'constant', learningRate: 0.01, warmupSteps: 0, totalSteps } as const;
  const steps = goldenBatches().map((batch) => ({ batches: [batch], epoch: 0, lastOfEpoch: false }));
  const incidents = [];
  for await (const { step, incident } of trainSteps(trainer, steps, { schedule, maxGradientNorm: 1, guards })) {
    if (incident) incidents.push({ step, incident });
  }
  expect(incidents).toHaveLength(1);
  expect(incidents[0]).toMatchObject({ step: 3, incident: { kind: 'no_gradient', action: 'stop' } });
  expect(incidents[0]!.incident.tensors).toContain('bert.encoder.layer.2.attention.self.query.weight');
});

test('a run that goes back to before an opening counts updates from there again', async () => {
  const { program, memory } = await models['bert']!.open({
    ...everyMethod.full,
    unfreeze_schedule: every,
  } as MethodSettings);
  const stages = openStages(program, memory);
  stages.begin(1, 1);
  stages.begin(2, 30);
  stages.begin(2, 31);
  expect([0, 2, 4].map(stages.opened(2)!)).toEqual([0, 29, undefined]);
  stages.begin(2, 12);
  expect([0, 2, 4].map(stages.opened(2)!)).toEqual([0, 11, undefined]);
});

describe('schedules', () => {
  const depths = [4, 3, 2, 1, 0];
  const length = { totalSteps: 40, stepsOfEpoch: [10, 12, 10, 8] };

  test.each([
    [0.5, [0, 5, 10, 16, 22]],
    [{ every: 0.25, unit: 'epochs' }, [0, 3, 5, 8, 10]],
    [{ every: 6, unit: 'steps' }, [0, 6, 12, 18, 24]],
    [{ at: [0, 0.1, 1, 2.5], unit: 'epochs' }, [0, 0, 1, 10, 27]],
    [{ at: [1, 2, 4, 8], unit: 'steps' }, [0, 1, 2, 4, 8]],
  ] as const)('%j opens after steps %j', (schedule, steps) => {
    expect(openings(schedule as Parameters<typeof openings>[0], length)(depths, 3)).toEqual(steps);
  });

  test.each([
    [1, /^the embeddings would open after the last epoch, and the run ends after step 40$/],
    [{ every: 15, unit: 'steps' }, /^layer 0 would open after step 45/],
    [{ at: [1, 2], unit: 'steps' }, /2 numbers, and 4 groups wait: layer 2, layer 1, layer 0, the embeddings/],
    [{ at: [1, 2, 1, 3], unit: 'steps' }, /^layer 0 would open before layer 1$/],
  ] as const)('%j does not fit', (schedule, problem) => {
    const attempt = () => openings(schedule as Parameters<typeof openings>[0], length)(depths, 3);
    expect(attempt).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        where: 'method.unfreeze_schedule',
        problem: expect.stringMatching(problem),
      }),
    );
  });

  test('where nothing waits it is refused', async () => {
    const settings = { ...everyMethod.freeze, trainable: 'head', unfreeze_schedule: every } as MethodSettings;
    await expect(models['bert']!.open(settings)).rejects.toMatchObject({ where: 'method.unfreeze_schedule' });
  });

  test('AdaLoRA does not give up ranks of layers that rest', async () => {
    const settings = { ...everyMethod.adalora, tinit: 2, unfreeze_schedule: every } as MethodSettings;
    await expect(models['bert']!.open(settings)).rejects.toMatchObject({ where: 'method.unfreeze_schedule' });
  });
});
