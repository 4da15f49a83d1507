/** Many adapters that write texts: each is spoken to through its own template, and ends where it learned to. */
import { availableParallelism } from 'node:os';
import { chunks } from '../../data/batch.ts';
import { AttuneError } from '../../errors/index.ts';
import { generationSettings, textBefore } from '../../inference/generation/index.ts';
import type { SharedBase } from '../../inference/manyAdapters/base.node.ts';
import { openManyWriters } from '../../inference/manyAdapters/writers.node.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { openSpeech, type Speech } from '../speech.node.ts';
import type { WrittenText } from './adaptedModel.ts';
import type { Answering, OwnedPrompt } from './answering.ts';

/** Texts that are written at once: each keeps the keys and values of all that it read. */
const AT_ONCE = 32;

export async function openTexts(base: SharedBase): Promise<Answering> {
  const { source } = base;
  const { tokenizer } = source;
  const many = await openManyWriters(base, { threads: availableParallelism() });
  const speeches = new Map<string | undefined, Speech>([[undefined, await openSpeech(source, undefined)]]);
  const decode = (tokens: readonly number[]): string => tokenizer.decode(tokens, { skipSpecial: true });
  return {
    kind: 'language-model',
    get names() {
      return many.names;
    },
    async add(adapters) {
      const spoken = new Map<string, Speech>();
      for (const [name, { adapter }] of adapters) spoken.set(name, await openSpeech(source, adapter));
      await many.add(new Map([...adapters].map(([name, adapter]) => [name, adapter.source])));
      for (const [name, speech] of spoken) speeches.set(name, speech);
    },
    remove(name) {
      many.remove(name);
      speeches.delete(name);
    },
    async write(prompts, { raw = false, system, think = false, signal, ...options }) {
      const { stop } = settingsOf(options);
      const owners = prompts.map(({ adapter }) => adapter);
      many.expect(owners);
      // As they are now: an adapter may be removed while it writes.
      const asked = prompts.map((prompt) => {
        const speech = speeches.get(prompt.adapter)!;
        return { ids: idsOf(prompt, source, { template: speech.template, raw, system, think }), ends: speech.endIds };
      });
      const texts: WrittenText[] = [];
      for (const places of chunks([...prompts.keys()], AT_ONCE)) {
        const request = {
          inputIds: places.map((place) => asked[place]!.ids),
          endIdsOf: (prompt: number) => asked[places[prompt]!]!.ends,
          decode,
          signal,
        };
        const written = await many.generate(
          places.map((place) => owners[place]),
          request,
          options,
        );
        for (const { tokens, finishReason } of written) {
          texts.push({ text: textBefore(decode(tokens), stop), finishReason, tokens: tokens.length });
        }
      }
      return texts;
    },
    labelsOf: () => [],
    async predict() {
      const problem = 'its models write texts and choose no labels';
      throw new AttuneError({ code: 'MODEL_TASK', where: source.folder, problem, fix: 'call generate or chat' });
    },
    [Symbol.asyncDispose]: () => many[Symbol.asyncDispose](),
  };
}

interface Told {
  readonly template: Speech['template'];
  readonly raw: boolean;
  readonly system: string | undefined;
  readonly think: boolean;
}

/** A text goes through the template as what a user says, where there is one. */
function idsOf({ asked }: OwnedPrompt, source: ModelSource, { template, raw, system, think }: Told): readonly number[] {
  const { tokenizer, folder } = source;
  const isText = typeof asked === 'string';
  if (isText && (raw || !template)) return [...tokenizer.around.before, ...tokenizer.ids(asked)];
  if (!template) throw noChat(folder);
  const opening = system === undefined ? [] : [{ role: 'system', content: system } as const];
  const messages = isText ? [...opening, { role: 'user', content: asked } as const] : asked;
  const told = { addGenerationPrompt: true, enableThinking: think };
  return tokenizer.ids(template.render({ messages, tools: [], ...told }).text);
}

function settingsOf(options: object) {
  const parsed = generationSettings.safeParse(options);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = `generate ${issue!.path.join('.')}`.trim();
  throw new AttuneError({ code: 'CONFIG_INVALID', where, problem: issue!.message, fix: 'give a value in that range' });
}

function noChat(where: string): AttuneError {
  const problem = 'it knows no conversations: there is no chat template beside it or its adapter';
  const fix = 'give prompts as texts, or tune it with task: sft';
  return new AttuneError({ code: 'CHAT_TEMPLATE', where, problem, fix });
}
