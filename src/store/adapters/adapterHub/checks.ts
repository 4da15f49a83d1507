/** AdapterHub's adapter_config.json as it is read, and what is refused there. */
import { z } from 'zod';
import { AttuneError } from '../../../errors/index.ts';
import { wrongField } from '../wrongField.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface HubConfig extends Fields {
  /** What the names of its tensors hold. */
  readonly name: string;
  readonly config: Fields;
  readonly model_name?: unknown;
  readonly model_type?: unknown;
  readonly version?: unknown;
}

/** Files whose config is any mapping. */
export const anyFields = z.object({ name: z.string(), config: z.looseObject({}) });

export function refuseOther(config: Fields, plain: Fields, where: string): void {
  for (const [field, value] of Object.entries(plain)) {
    const found = config[field] ?? value;
    if (JSON.stringify(found) === JSON.stringify(value)) continue;
    throw cannotOpen(where, `config.${field} is ${JSON.stringify(found)}`);
  }
}

/** The fields of a file that are read. */
export function checked<T>(fields: z.ZodType<T>, file: HubConfig, where: string): T {
  const { success, data, error } = fields.safeParse(file);
  if (success) return data;
  throw wrongField(file, error.issues[0]!, where);
}

export function cannotOpen(where: string, found: string): AttuneError {
  const fix = 'Attune opens bottleneck adapters (double_seq_bn, seq_bn, par_bn) and LoRA of AdapterHub';
  return new AttuneError({ code: 'ADAPTER_UNSUPPORTED', where, problem: `${found}, which is not read here`, fix });
}
