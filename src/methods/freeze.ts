/**
 * θ ← θ − Δθ for the weights θ of some layers, the others stay as they are (https://arxiv.org/abs/1911.03090). Step 0 is the
 * base model.
 */
import { z } from 'zod';
import { AttuneError } from '../errors/index.ts';
import type { Built, Parameter } from '../models/nn/index.ts';
import { basePrecision } from './basePrecision.ts';
import { defineMethod, layerDecay } from './definition.ts';
import { holdsName } from './pattern.ts';
import { unfreezeSchedule } from './unfreezing.ts';

const parts = z.strictObject({
  layers: z
    .string()
    .regex(/^\d+(-\d+)?(,\d+(-\d+)?)*$/, 'give numbers and ranges, such as 0-2,5')
    .optional()
    .meta({ description: 'Layers that are trained, counted from 0: `0-2,5`.' }),
  embeddings: z.boolean().default(false).meta({ description: 'Whether the embeddings are trained.' }),
  head: z.boolean().default(true).meta({ description: "Whether the task's head is trained." }),
  patterns: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'Names of further modules or weights that are trained: `output.dense`.' }),
});

const trainable = z.union([z.literal('head'), z.int().min(1), parts]).default('head');
type Trainable = z.output<typeof trainable>;
type Declared = Pick<Parameter, 'name' | 'head' | 'depth'>;

export const freeze = defineMethod({
  settings: z
    .strictObject({
      name: z.literal('freeze'),
      trainable: trainable.meta({
        description:
          "What is trained: `head` (the task's head alone), a number of last layers with all that follows them, or a " +
          'mapping with `layers`, `embeddings`, `head` and `patterns`.',
        takes: 'head, a number of last layers, or a mapping with layers, embeddings, head, patterns',
        aliases: ['freeze_trainable_layers', 'num_layers', 'unfrozen_parameters'],
      }),
      base_precision: basePrecision,
      layer_lr_decay: layerDecay,
      unfreeze_schedule: unfreezeSchedule,
    })
    .meta({ description: 'Freezing: a part of the weights is trained.' }),
  // A new head alone starts from nothing and cannot harm what the model knows.
  learningRate: (settings) => (settings.trainable === 'head' ? 1e-3 : 1e-4),
  attach: (settings) => ({
    name: 'freeze',
    trains: (parameter, blocks) => isTrained(settings.trainable, parameter, blocks),
    validate: (built) => refuseNothing(settings.trainable, built),
  }),
});

function isTrained(wanted: Trainable, { name, head, depth }: Declared, blocks: number): boolean {
  if (wanted === 'head') return head;
  if (typeof wanted === 'number') return head || depth > blocks - wanted;
  const layer = depth - 1;
  const chosen = wanted.layers !== undefined && depth >= 1 && depth <= blocks && layersOf(wanted.layers).has(layer);
  const named = wanted.patterns.some((pattern) => holdsName(name, pattern));
  return chosen || named || (head && wanted.head) || (depth === 0 && wanted.embeddings);
}

/** `0-2,5` → [0, 2], [5, 5] */
const rangesOf = (text: string): [number, number][] =>
  text.split(',').map((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return [first, last];
  });

/** `0-2,5` → 0, 1, 2, 5 */
function layersOf(text: string): Set<number> {
  const layers = new Set<number>();
  for (const [first, last] of rangesOf(text)) for (let layer = first; layer <= last; layer++) layers.add(layer);
  return layers;
}

/** Wishes that choose nothing are mistakes, not preferences. */
function refuseNothing(wanted: Trainable, { blocks, parameters }: Built): void {
  if (typeof wanted === 'number' && wanted > blocks) {
    throw problem(
      'method.trainable',
      `${wanted} layers are asked for, the model has ${blocks}`,
      `give at most ${blocks}`,
    );
  }
  if (typeof wanted === 'object') refuseBackwards(wanted.layers);
  if (!parameters.some(({ trainable }) => trainable)) {
    const hasHead = parameters.some(({ head }) => head);
    const others = hasHead ? ', or head: true' : ': this task adds no head';
    throw problem('method.trainable', 'it trains nothing', `give a number of last layers${others}`);
  }
  if (typeof wanted !== 'object') return;
  const beyond =
    wanted.layers === undefined ? undefined : [...layersOf(wanted.layers)].find((layer) => layer >= blocks);
  if (beyond !== undefined) {
    const fix = `the model has ${blocks} layers: give numbers from 0 to ${blocks - 1}`;
    throw problem('method.trainable.layers', `there is no layer ${beyond}`, fix);
  }
  const idle = wanted.patterns.find((pattern) => !parameters.some(({ name }) => holdsName(name, pattern)));
  if (idle === undefined) return;
  const names = [...new Set(parameters.map(({ name }) => name.replace(/\.\d+\./g, '.N.')))];
  throw problem('method.trainable.patterns', `'${idle}' matches nothing`, `there is: ${names.join(', ')}`);
}

function refuseBackwards(layers = ''): void {
  const [first, last] = rangesOf(layers).find(([from, to]) => to < from) ?? [];
  if (first === undefined) return;
  throw problem('method.trainable.layers', `${first}-${last} ends before it begins`, `give ${last}-${first}`);
}

const problem = (where: string, text: string, fix: string): AttuneError =>
  new AttuneError({ code: 'CONFIG_INVALID', where, problem: text, fix });
