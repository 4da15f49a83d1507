/** attune.json: what an adapter belongs to, so that it cannot be put on the wrong base unnoticed. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { AttuneError } from '../../errors/index.ts';
import { canonicalJson } from '../../files/index.ts';

export const MANIFEST = 'attune.json';

const threshold = z.number().gt(0).lt(1).optional();

/** Of models that were tuned on conversations: the template beside it, and the tokens that answers end with. */
const chat = z.object({ template_sha256: z.string(), end_token_ids: z.array(z.int()) }).optional();

const identity = z.object({
  /** Hub id where known, else the folder. */
  name: z.string(),
  /** What fetches it again: its name, on the hub with the revision that was asked for. */
  reference: z.string(),
  config_sha256: z.string(),
  tokenizer_sha256: z.string(),
});

const manifest = z.object({
  format: z.literal(1),
  task: z.string(),
  method: z.looseObject({ name: z.string() }),
  labels: z.array(z.string()),
  /** Of two labels the second is answered where its probability reaches this. */
  threshold,
  max_length: z.int(),
  base: identity,
  tensors: z.record(z.string(), z.array(z.int())),
  /** Scores of the probe rows when it was saved. */
  fingerprint: z.array(z.array(z.number())),
  chat,
});

export type BaseIdentity = z.infer<typeof identity>;
export type Manifest = z.infer<typeof manifest>;

export const parseManifest = (value: unknown, where: string): Manifest => parseAs(manifest, value, where);

/** The same file beside a whole model: what its config.json has no field for. */
const modelNotes = z.object({
  format: z.literal(1),
  kind: z.literal('model'),
  threshold,
  /** The length of inputs that it was trained with. */
  max_length: z.int().positive().optional(),
});

export type ModelNotes = z.infer<typeof modelNotes>;

export const isModelNotes = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'model';

export const parseModelNotes = (value: unknown, where: string): ModelNotes => parseAs(modelNotes, value, where);

function parseAs<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AttuneError({
    code: 'RUN_INVALID',
    where,
    problem: `${issue!.path.join('.')}: ${issue!.message}`,
    fix: 'use the folder as it was saved, or train again',
  });
}

/** Fields of config.json that change from copy to copy of one model. */
const volatileFields = new Set(['_name_or_path', 'transformers_version', 'architectures', 'torch_dtype', 'dtype']);

/** Equal for equal settings, however the file was written. */
export function configHash(fields: Readonly<Record<string, unknown>>): string {
  return hash(Object.fromEntries(Object.entries(fields).filter(([key]) => !volatileFields.has(key))));
}

export const hash = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

/** Throws unless the base is the one that the adapter was trained on. */
export function expectBase(actual: BaseIdentity, { base }: Pick<Manifest, 'base'>, where: string): void {
  const parts = [
    ['config.json', actual.config_sha256, base.config_sha256],
    ['tokenizer.json', actual.tokenizer_sha256, base.tokenizer_sha256],
  ] as const;
  const other = parts.find(([, found, wanted]) => found !== wanted);
  if (!other) return;
  throw new AttuneError({
    code: 'BASE_MISMATCH',
    where,
    problem: `it was trained on ${base.name}; the ${other[0]} of ${actual.name} is another one`,
    fix: `use it with ${base.reference}`,
  });
}
