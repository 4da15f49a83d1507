import { defineCommand } from './command.ts';
import { bytes } from './figures.ts';

export const command = defineCommand({
  name: 'pull',
  summary: 'makes a model local',
  usage: 'MODEL',
  positionals: { least: 1, most: 1 },
  options: {
    revision: { type: 'string', value: 'NAME', help: 'branch, tag or commit of a model on the hub' },
  },
  async run({ positionals, values, out, signal }) {
    const { fetchModel } = await import('../store/index.ts');
    let current = '';
    const model = await fetchModel(positionals[0]!, {
      ...(values.revision !== undefined && { revision: values.revision }),
      signal,
      onProgress: ({ file, total }) => {
        if (file !== current) out.note(`fetching ${file}${total ? ` (${bytes(total)})` : ''}`);
        current = file;
      },
    });
    const { path, bytes: size, source } = model;
    out.object({ path, bytes: size, source });
    out.text(out.json ? `${source}, ${bytes(size)}` : `${path}\n${out.colors.dim(`${source}, ${bytes(size)}`)}`);
    return 0;
  },
});
