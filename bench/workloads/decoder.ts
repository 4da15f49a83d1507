/** Steps of a language model on packed rows: LoRA of rank 16 on every linear layer. */
import { join } from 'node:path';
import type { BasePrecision } from '../../src/models/nn/index.ts';
import type { Figures } from '../figures.ts';
import { runProcess } from '../process.ts';
import { runReference } from '../sides.ts';
import type { Case, Place, Side, Workload } from '../workload.ts';

const RANK = 16;
const TOKENS = 512;
const primary = 'tokens_per_second' as const;

export const decoderWorkloads: Readonly<Record<string, Workload>> = {
  'decoder-lora': {
    about: 'LoRA, r 16, on all linear layers of a decoder; rows of 512 tokens, packed.',
    primary,
    cases: (place) => [2, 4].map((rows) => packedCase(rows, place)),
  },
  'decoder-lengths': {
    about: 'The same over the exact base, with rows of other lengths: one text each.',
    primary,
    cases: (place) => [128, 256, 512, 1024, 2048, 4096].map((tokens) => lengthCase(tokens, place)),
  },
};

function packedCase(rows: number, place: Place): Case {
  const ours = (['fp32', 'int8', 'int4'] as const).map(
    (precision): Side => ({
      name: `Attune ${precision}`,
      measure: () => attune({ rows, tokens: TOKENS, precision }, place),
    }),
  );
  const references = [{}, { checkpointing: true }].map(
    (extra): Side => ({
      name: `PEFT bf16${'checkpointing' in extra ? ', checkpointing' : ''}`,
      measure: () => reference(rows, extra, place),
    }),
  );
  return { name: `${rows} × ${TOKENS} tokens`, sides: [...ours, ...references] };
}

function lengthCase(tokens: number, place: Place): Case {
  const rows = Math.max(1, 1024 / tokens);
  const measure = (): Promise<Figures> => attune({ rows, tokens, precision: 'fp32', plain: true }, place);
  return { name: `${rows} × ${tokens} tokens`, sides: [{ name: 'Attune fp32', measure }] };
}

interface Shape {
  readonly rows: number;
  readonly tokens: number;
  readonly precision: BasePrecision;
  readonly plain?: boolean;
}

async function attune({ rows, tokens, precision, plain }: Shape, place: Place): Promise<Figures> {
  const lora = { name: 'lora', r: RANK, lora_alpha: 2 * RANK, target_modules: 'all-linear', base_precision: precision };
  const given = {
    ...{ model: decoderOf(place), method: JSON.stringify(lora), rows, tokens },
    ...{ steps: place.options.steps, threads: place.options.threads },
    recompute: precision === 'int4' ? 'all' : 'cheap',
  };
  const words = Object.entries(given).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const script = ['--import', 'tsx', join(import.meta.dirname, '../decoderStep.ts'), ...words];
  const { object, peakBytes } = await runProcess(process.execPath, plain ? [...script, '--plain'] : script);
  return figuresOf(object.step_ms as number, { tokens: rows * tokens, peakBytes });
}

async function reference(batch: number, extra: { readonly checkpointing?: boolean }, place: Place): Promise<Figures> {
  const { steps, threads } = place.options;
  const given = { model: decoderOf(place), precision: 'bf16', rank: RANK, batch, tokens: TOKENS, steps, threads };
  const { object, peakBytes } = await runReference('languageStep.py', { ...given, ...extra }, place);
  return figuresOf(object.min_ms as number, { tokens: batch * TOKENS, peakBytes });
}

const figuresOf = (
  ms: number,
  { tokens, peakBytes }: { readonly tokens: number; readonly peakBytes: number | undefined },
) => ({
  step_ms: ms,
  tokens_per_second: (tokens * 1000) / ms,
  peak_bytes: peakBytes,
});

function decoderOf({ options }: Place): string {
  if (options.decoder !== undefined) return options.decoder;
  throw new Error('it needs a language model: give --decoder FILE');
}
