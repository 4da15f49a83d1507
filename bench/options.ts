/** What a round of measurements is told. Folders come by options only: nothing here knows a machine. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  readonly model: string;
  /** A language model, for the workloads that have one. */
  readonly decoder: string | undefined;
  readonly python: string;
  readonly data: string;
  readonly only: readonly string[];
  readonly rounds: number;
  /** Training rows; 0: all of them. */
  readonly rows: number;
  readonly batch: number;
  readonly steps: number;
  readonly threads: number;
  readonly seed: number;
  /** In place of the model's own. */
  readonly dropout: number | undefined;
  /** Also the reference as it comes. */
  readonly defaults: boolean;
  readonly save: boolean;
}

export const usage = `npm run bench -- --model FOLDER --python PYTHON [options]
  --model FOLDER    all-MiniLM-L6-v2, or another BERT
  --decoder FILE    SmolLM2 as .gguf, for decoder-lora and decoder-lengths
  --python PYTHON   of an environment made from tools/golden/requirements.txt
  --data FOLDER     with sst2/train.jsonl and sst2/validation.jsonl: rows of text and label
  --only NAME       one workload; may be given several times           (all)
  --rounds N        rounds, of which the best counts                   (3)
  --rows N          training rows of a run; 0 = all                    (0)
  --batch N         rows of a batch                                    (32)
  --steps N         timed steps of a round of synthetic rows           (6)
  --threads N                                                          (2)
  --seed N                                                             (42)
  --dropout RATE    in place of the model's own, on both sides
  --defaults        also the reference as it comes: fp32, and bf16 without grouping
  --no-save         print only`;

export function readOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      model: { type: 'string' },
      decoder: { type: 'string' },
      python: { type: 'string' },
      data: { type: 'string', default: '../shared/data' },
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: '3' },
      rows: { type: 'string', default: '0' },
      batch: { type: 'string', default: '32' },
      steps: { type: 'string', default: '6' },
      threads: { type: 'string', default: '2' },
      seed: { type: 'string', default: '42' },
      dropout: { type: 'string' },
      defaults: { type: 'boolean', default: false },
      'no-save': { type: 'boolean', default: false },
    },
  });
  const { model, python, data, only, defaults } = values;
  if (!model || !python) throw new Error(`--model and --python are needed\n${usage}`);
  const number = (name: 'rounds' | 'rows' | 'batch' | 'steps' | 'threads' | 'seed' | 'dropout'): number => {
    const value = Number(values[name]);
    if (!(value >= 0)) throw new Error(`--${name} is ${values[name]}\n${usage}`);
    return value;
  };
  return {
    ...{ python, data, only, defaults },
    model: resolve(model),
    decoder: values.decoder === undefined ? undefined : resolve(values.decoder),
    rounds: number('rounds'),
    rows: number('rows'),
    batch: number('batch'),
    steps: number('steps'),
    threads: number('threads'),
    seed: number('seed'),
    dropout: values.dropout === undefined ? undefined : number('dropout'),
    save: !values['no-save'],
  };
}
