/** AdapterHub's adapter_config.json as it is read, and what is refused there. */
import { AttuneError } from '../../../errors/index.ts';
import type { MethodSettings } from '../../../methods/index.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface HubConfig extends Fields {
  /** What the names of its tensors hold. */
  readonly name: string;
  readonly config: Fields;
  readonly model_name?: unknown;
  readonly model_type?: unknown;
  readonly version?: unknown;
}

export function refuseOther(config: Fields, plain: Fields, where: string): void {
  for (const [field, value] of Object.entries(plain)) {
    const found = config[field] ?? value;
    if (JSON.stringify(found) === JSON.stringify(value)) continue;
    throw cannotOpen(where, `config.${field} is ${JSON.stringify(found)}`);
  }
}

type Parsed =
  | { success: true; data: unknown }
  | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };

export function parsed(result: Parsed, where: string): MethodSettings {
  if (result.success) return result.data as MethodSettings;
  const [issue] = result.error.issues;
  throw cannotOpen(where, `${issue!.path.join('.')}: ${issue!.message}`);
}

export function cannotOpen(where: string, found: string): AttuneError {
  const fix = 'Attune opens bottleneck adapters (double_seq_bn, seq_bn, par_bn) and LoRA of AdapterHub';
  return new AttuneError({ code: 'ADAPTER_UNSUPPORTED', where, problem: `${found}, which is not read here`, fix });
}
