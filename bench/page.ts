/** Writes docs/benchmarks.md: how to measure, and of every workload the newest result that bench/results holds. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { usage } from './options.ts';
import { type Results, readResults, type WorkloadResult } from './results.ts';
import { markdown, tableOf } from './table.ts';
import { workloads } from './workloads/index.ts';

const heading = `# Benchmarks

This page is generated from \`bench/results\`: \`npm run docs:benchmarks\` writes it.

One command runs Attune and the same training in Python side by side, in turns:

\`\`\`
${usage}
\`\`\`

The reference is PyTorch, Transformers and PEFT as they are fastest on a CPU: bf16 autocast, batches of inputs of like
length (as Attune makes them too), fused AdamW. Rows, batch, dropout, schedule, clipping and threads are the same.

- \`sst2-…\` and \`startup\` read SST-2 from \`--data\`: JSON Lines such as \`{"text": "a gripping film", "label": 1}\`, 6,920 to learn
  from and 872 for validation. The other workloads make their rows.
- Both sides run in processes of their own, Attune as its user calls it: \`attune train recipe.json --json\`.
- Rates count the steps alone (forward, backward, clipping, update). Reading, tokenising, making batches and evaluating
  are in neither side's rate; \`whole process\` has everything, imports and evaluation too.
- Peak memory is the largest resident size of the process, from its start to its end, as the system tells it.
- Of some rounds in turns, the best one of each side counts. \`Attune : other\` is Attune's figure divided by the
  other's (of accuracy: less the other's).
- Results are kept as \`bench/results/COMMIT.json\`, each workload with the load before it began: the mean of a minute, in which the
  build or the workload before it ran, so up to about as much as there are threads. Well above that other programs were at work, and
  the rates say little. A tree with changes gives \`COMMIT-dirty.json\`, which git ignores.
`;

/** The file with the newest result of a workload. */
const newest = (all: readonly Results[], name: string): Results | undefined =>
  all
    .filter((one) => one.workloads[name])
    .sort((a, b) => a.workloads[name]!.measured.localeCompare(b.workloads[name]!.measured))
    .at(-1);

function section(name: string, results: Results | undefined): string {
  const title = `\n## ${name}\n\n${workloads[name]!.about}\n`;
  if (!results) return `${title}\nNo result of this command is kept. What was measured of it: [the log](log.md).\n`;
  const result = results.workloads[name]!;
  const tables = result.cases.map((one) => `${one.name ? `\n${one.name}\n` : ''}\n${markdown(tableOf(one))}\n`);
  return `${title}${tables.join('')}\n${circumstances(results, result)}\n`;
}

function circumstances({ commit, machine, reference }: Results, { measured, settings, loadBefore }: WorkloadResult) {
  const { rounds, rows, batch, threads } = settings;
  const versions = Object.entries(reference).map(([name, version]) => `${name} ${version}`);
  return [
    `Commit ${commit}, ${measured.slice(0, 10)}; ${machine.processor}, ${machine.cores} cores, load ${loadBefore} before;`,
    `${rounds} rounds, ${rows || 'all'} rows, batch ${batch}, ${threads} threads; Node ${machine.node.slice(1)},`,
    `${versions.join(', ')}.`,
  ].join('\n');
}

export function benchmarksPage(): string {
  const all = readResults();
  return (
    heading +
    Object.keys(workloads)
      .map((name) => section(name, newest(all, name)))
      .join('')
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), benchmarksPage());
}
