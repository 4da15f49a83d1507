/** From config.json to the architecture it names. */
import { AttuneError, nearest } from '../errors/index.ts';
import type { Architecture, BaseConfig } from './architecture.ts';
import { bert } from './bert.ts';
import { configProblem } from './configProblem.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3Text } from './gemma3_text.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

/** Every architecture, by model_type. */
const architectures: Readonly<Record<string, Architecture>> = {
  bert,
  gemma2,
  gemma3_text: gemma3Text,
  gpt2,
  llama,
  mistral,
  phi3,
  qwen2,
  qwen3,
};

export interface ModelDescription {
  readonly architecture: Architecture;
  readonly config: BaseConfig;
}

/** The architecture of a parsed config.json and its checked settings. `where` names the file in errors. */
export function describeModel(fields: unknown, where: string): ModelDescription {
  const modelType = typeof fields === 'object' && fields !== null ? Reflect.get(fields, 'model_type') : undefined;
  const known = typeof modelType === 'string' && Object.hasOwn(architectures, modelType);
  if (!known) throw unknownType(modelType, where);
  const architecture = architectures[modelType]!;
  const parsed = architecture.configSchema.safeParse(fields);
  if (parsed.success) return { architecture, config: parsed.data };
  throw configProblem(parsed.error.issues[0]!, fields, where);
}

type Ability = 'classification' | 'languageModel';

/** What a model needs for labels of whole texts. */
export const classificationOf = ({ architecture }: ModelDescription): NonNullable<Architecture['classification']> =>
  architecture.classification ?? unable(architecture, 'classification', 'it has no head that scores labels');

/** What a model needs for the next token. */
export const languageModelOf = ({ architecture }: ModelDescription): NonNullable<Architecture['languageModel']> =>
  architecture.languageModel ?? unable(architecture, 'languageModel', 'it has no head that scores the next token');

function unable({ modelType }: Architecture, ability: Ability, problem: string): never {
  const able = Object.entries(architectures).filter(([, one]) => one[ability]);
  throw new AttuneError({
    code: 'MODEL_TASK',
    where: `model of type ${modelType}`,
    problem,
    fix: `use a model of one of these types: ${able.map(([name]) => name).join(', ')}`,
  });
}

export const knownModelTypes = (): string[] => Object.keys(architectures);

function unknownType(modelType: unknown, where: string): AttuneError {
  const known = knownModelTypes();
  const close = typeof modelType === 'string' ? nearest(modelType, known) : undefined;
  return new AttuneError({
    code: 'MODEL_UNKNOWN_TYPE',
    where: `${where} model_type`,
    problem: modelType === undefined ? 'it is missing' : `'${String(modelType)}' is not an architecture known here`,
    fix: `use a model of one of these: ${known.join(', ')}${close ? ` (did you mean ${close}?)` : ''}`,
  });
}
