/** Instruction tuning: conversations, of which the assistant's turns are learned. */
import {
  type ChatFormatName,
  type Conversation,
  chatExample,
  chatRows,
  isTrained,
  openTemplate,
  readConversations,
} from '../../../data/chat/index.ts';
import { spokenText } from '../../../data/chat/spokenText.ts';
import { AttuneError } from '../../../errors/index.ts';
import { readJson } from '../../../files/modelFolder.node.ts';
import { chatTemplateFor, endTokenIds, standingAlone } from '../../../inference/chatTemplate.node.ts';
import type { Recipe } from '../../schema/index.ts';
import type { Start } from '../../start.node.ts';
import type { PreparedData } from '../prepareData.node.ts';
import { writtenBy } from './asking.node.ts';
import { prepareRows, type Reading, readSplits } from './languageData.node.ts';
import { languageModelTask } from './languageModel.ts';

export const sft = { ...languageModelTask(prepare), written: writtenBy };

export const chatReading = ({ format, columns }: Recipe['data']): Reading<Conversation> => ({
  example: chatExample,
  read(rows) {
    // Plain texts have no answers: the schema refuses them for this task.
    const wishes = {
      format: format as ChatFormatName | 'auto',
      columns: columns as Record<string, string> | undefined,
    };
    const { conversations: found, ...problems } = readConversations(rows, wishes);
    return { found, ...problems };
  },
  comparedOf: (conversation) => ({ text: spokenText(conversation), where: conversation.where }),
});

async function prepare(recipe: Recipe, start: Start, now: Date): Promise<PreparedData> {
  const { source, initial } = start;
  const reading = chatReading(recipe.data);
  const split = await readSplits(recipe, start, reading);
  const tools = split.train.some((one) => one.tools.length > 0);
  const wish = { wished: recipe.data.chat_template, tools, beside: initial?.folder };
  const template = openTemplate(standingAlone(await chatTemplateFor(source, wish), source), now);
  const ends = new Set<number>();
  const onEmptyLabels = recipe.data.on_empty_labels;
  const encode = (conversations: readonly Conversation[], maxLength: number) => {
    const found = chatRows(conversations, { template, tokenizer: source.tokenizer, maxLength, onEmptyLabels });
    for (const id of found.endTokens.keys()) ends.add(id);
    return found;
  };
  const { lengths, ...data } = await prepareRows(recipe, start, { split, reading, encode });
  refuseNothing(data.train.rows.length, recipe);
  const stops = await endTokenIds(source);
  const unknownEnds = [...ends].filter((id) => !stops.has(id)).map((id) => source.tokenizer.tokenOf(id) ?? String(id));
  const generation = (await readJson(source.folder, 'generation_config.json')) as Record<string, unknown> | undefined;
  const facts = { template: template.source, endTokenIds: [...ends], unknownEnds, stopIds: [...stops], generation };
  const callsTools = (split.test ?? split.validation ?? []).some(calls);
  return { ...data, chat: { ...facts, callsTools, lengths } };
}

const calls = ({ messages }: Conversation): boolean =>
  messages.some((message) => isTrained(message) && message.tool_calls !== undefined);

function refuseNothing(rows: number, { data }: Recipe): void {
  if (rows > 0) return;
  throw new AttuneError({
    code: 'DATA_NO_LABELS',
    where: data.train.join(', '),
    problem: 'every row was left out, for none has something to learn',
    fix: `raise data.max_length (it is ${data.max_length})`,
  });
}
