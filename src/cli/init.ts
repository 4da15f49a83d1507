import type { Template } from '../recipes/init/index.ts';
import { usage } from './arguments.ts';
import { type Call, defineCommand, type Options } from './command.ts';

export const command = defineCommand({
  name: 'init',
  summary: 'writes a commented recipe and data to start from',
  usage: '[TEMPLATE]',
  positionals: { least: 0, most: 1 },
  options: {
    dir: { type: 'string', value: 'FOLDER', help: 'where the files go; left out, the current folder' },
    list: { type: 'boolean', help: 'lists the templates' },
  },
  async run({ positionals, values, out }) {
    const { templates, writeTemplate } = await import('../recipes/init/index.ts');
    if (values.list) return list(templates, out);
    const template = await find(positionals[0] ?? templates[0].name, templates);
    const { recipe, data } = await writeTemplate(template, values.dir ?? '.');
    out.object({ template: template.name, files: [recipe, data] });
    const { bold, dim, green } = out.colors;
    const next = `npx attune train ${/\s/.test(recipe) ? JSON.stringify(recipe) : recipe}`;
    out.text(
      [
        `${green('wrote')} ${recipe}  ${dim('the recipe, with a comment on every setting')}`,
        `${green('wrote')} ${data}  ${dim(`${template.rows.length} rows`)}`,
        `${bold('next')}  ${next}`,
      ].join('\n'),
    );
    return 0;
  },
});

function list(templates: readonly Template[], out: Call<Options>['out']): number {
  out.object({ templates: templates.map(({ name, summary }) => ({ name, summary })) });
  const width = Math.max(...templates.map(({ name }) => name.length));
  out.text(templates.map(({ name, summary }) => `${out.colors.bold(name.padEnd(width))}  ${summary}`).join('\n'));
  return 0;
}

async function find(name: string, templates: readonly Template[]): Promise<Template> {
  const found = templates.find((template) => template.name === name);
  if (found) return found;
  const { nearest } = await import('../errors/index.ts');
  const close = nearest(
    name,
    templates.map((template) => template.name),
  );
  const help = 'attune init --list shows the templates';
  const fix = close ? `did you mean ${close}? ${help}` : help;
  throw usage({ command, word: name, problem: 'there is no such template', fix });
}
