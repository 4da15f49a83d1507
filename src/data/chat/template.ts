/** Chat templates in Jinja, rendered as Transformers renders them. One renderer serves training and whoever answers. */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { AttuneError } from '../../errors/index.ts';
import { excerpt } from '../problems.ts';
import type { Message } from './message.ts';
import { strftime } from './strftime.ts';
import type { Tool } from './toolCalls.ts';

/** A model's template, and the special tokens that it may name: `bos_token`, `eos_token` … */
export interface TemplateSource {
  readonly text: string;
  /** The file that it came from, or the setting. */
  readonly where: string;
  readonly specialTokens: Readonly<Record<string, string>>;
}

export interface RenderInput {
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  /** Ends with what stands before an answer. */
  readonly addGenerationPrompt?: boolean;
  /** Left out: whether a message has thoughts. Told not to think, a template adds none that would be learned. */
  readonly enableThinking?: boolean;
}

export interface Rendered {
  readonly text: string;
  /** What stands in `{% generation %}` blocks, as places in the text; undefined where the template has none. */
  readonly answers: readonly Span[] | undefined;
}

/** From the first place to before the second. */
export type Span = readonly [start: number, end: number];

export interface ChatTemplate {
  readonly source: TemplateSource;
  /** It says itself what the assistant's part is. */
  readonly marksAnswers: boolean;
  /** Throws a plain error with the template's own words where it refuses the conversation. */
  render(input: RenderInput): Rendered;
}

/** `now` is what `strftime_now` tells: a run that goes on renders as it began. */
export function openTemplate(source: TemplateSource, now: Date): ChatTemplate {
  const marksAnswers = generationTag.test(source.text);
  const program = parsed(source);
  return {
    source,
    marksAnswers,
    render({ messages, tools, addGenerationPrompt = false, enableThinking = thinks(messages) }) {
      const marks = marksAnswers ? freeMarks([source, messages, tools]) : noMarks;
      const marked = run(program, {
        ...globals,
        ...source.specialTokens,
        [markNames.start]: marks.start,
        [markNames.end]: marks.end,
        messages: messages.map(withoutWeight),
        tools: tools.length > 0 ? tools : null,
        documents: null,
        add_generation_prompt: addGenerationPrompt,
        enable_thinking: enableThinking,
        strftime_now: (format: string) => strftime(now, format),
      });
      return marksAnswers ? cutMarks(marked, marks) : { text: marked, answers: undefined };
    },
  };
}

export const thinks = (messages: readonly Message[]): boolean =>
  messages.some(({ reasoning_content: thought }) => thought !== undefined);

type Program = ReturnType<typeof parse>;

/** What Jinja and Transformers give every template. */
const globals = {
  ...{ true: true, True: true, false: false, False: false, none: null, None: null },
  range: (first: number, end?: number, step = 1): number[] => {
    const [from, to] = end === undefined ? [0, first] : [first, end];
    return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step);
  },
  raise_exception: (message: string): never => {
    throw new Error(message);
  },
};

function run(program: Program, values: Readonly<Record<string, unknown>>): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(values)) environment.set(name, value);
  return String(new Interpreter(environment).run(program).value);
}

const generationTag = /\{%[-+]?\s*generation\s*[-+]?%\}/;

const withoutWeight = ({ weight: _, ...message }: Message): Omit<Message, 'weight'> => message;

interface Marks {
  readonly start: string;
  readonly end: string;
}

const noMarks: Marks = { start: '', end: '' };
/** How the template calls them; what they are depends on what is written. */
const markNames: Marks = { start: 'attune_generation_start', end: 'attune_generation_end' };

/** A number between characters of the private use area, such that no text that is written has it so. */
function freeMarks(texts: object): Marks {
  const written = JSON.stringify(texts);
  let number = 0;
  while (written.includes(`\uf000${number}`)) number += 1;
  return { start: `\uf000${number}\uf001`, end: `\uf000${number}\uf002` };
}

/** The tags become statements that print a mark: so whitespace around them is cut as around any other statement. */
function parsed({ text, where }: TemplateSource): Program {
  const printing = (name: string) => (_: string, left: string, right: string) =>
    `{%${left} if true %}{{ ${name} }}{% endif ${right}%}`;
  try {
    const marked = text
      .replace(/\{%([-+]?)\s*generation\s*([-+]?)%\}/g, printing(markNames.start))
      .replace(/\{%([-+]?)\s*endgeneration\s*([-+]?)%\}/g, printing(markNames.end));
    return parse(tokenize(marked, { lstrip_blocks: true, trim_blocks: true }));
  } catch (failure) {
    // The parser reads on past the end.
    const isCut = failure instanceof TypeError;
    const said = isCut ? 'it ends inside a block or a tag' : excerpt((failure as Error).message);
    const problem = `the chat template cannot be read: ${said}`;
    const fix = 'mend it, or give another with data.chat_template: chatml, plain or a .jinja file';
    throw new AttuneError({ code: 'CHAT_TEMPLATE', where, problem, fix }, { cause: failure });
  }
}

function cutMarks(marked: string, { start, end }: Marks): Rendered {
  const answers: Span[] = [];
  let text = '';
  let open: number | undefined;
  for (const piece of marked.split(new RegExp(`(${start}|${end})`))) {
    if (piece === start) open = text.length;
    else if (piece !== end) text += piece;
    else if (open !== undefined && open < text.length) answers.push([open, text.length]);
  }
  return { text, answers };
}
