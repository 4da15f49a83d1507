/** Writes docs/methods-measured.md from what bench/methods/run.ts kept: `npm run docs:methods`. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { markdown } from '../table.ts';
import { methods, type Suite, suites } from './cells.ts';
import { type Cell, readCells } from './results.ts';

const root = new URL('../../', import.meta.url);
const cells = [...readCells(fileURLToPath(new URL('bench/methods/measured.json', root))).values()];

const heading = `# Every method on the same task

Generated from \`bench/methods/measured.json\` by \`npm run docs:methods\`. One command measures, and goes on where it was interrupted:

\`\`\`
npm run build && npx tsx bench/methods/run.ts --suite sst2|gsm8k --model MODEL [--parallel N] [--threads N]
\`\`\`

Each method has the learning rate that Attune gives it where a recipe names none; no rate was looked for. LoRA and its kin stand beside
all linear layers with r 8. Time is that of the steps, in units of LoRA's in the same table; memory is the peak of the whole
process; the file is what the run leaves, of a method that trains a part its adapter. ± is the standard deviation over seeds.
`;

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
const deviation = (numbers: readonly number[]): number =>
  Math.sqrt(numbers.reduce((sum, one) => sum + (one - mean(numbers)) ** 2, 0) / (numbers.length - 1));

function row(method: string, own: readonly Cell[], { metric }: Suite, lora: number): string[] {
  const of = (name: 'quality' | 'trainSeconds' | 'peakBytes' | 'fileBytes') => own.map((cell) => cell[name]);
  const quality = mean(of('quality'));
  const scatter = own.length > 1 ? deviation(of('quality')) : undefined;
  const shown = (value: number): string => (metric === 'accuracy' ? `${(value * 100).toFixed(1)} %` : value.toFixed(4));
  const { trainableParameters: trained, totalParameters: total } = own[0]!;
  return [
    method,
    `${shown(quality)}${scatter === undefined ? '' : ` ± ${(scatter * 100).toFixed(1)}`}`,
    trained >= 1e6 ? `${(trained / 1e6).toFixed(2)} M` : `${(trained / 1e3).toFixed(1)} k`,
    `${((trained / total) * 100).toFixed(2)} %`,
    `${(mean(of('trainSeconds')) / lora).toFixed(2)}×`,
    `${Math.round(mean(of('peakBytes')) / 1e6)} MB`,
    `${(mean(of('fileBytes')) / 1e6).toFixed(1)} MB`,
  ];
}

function section(name: string, suite: Suite): string {
  const own = cells.filter((cell) => cell.suite === name);
  if (own.length === 0) return '';
  const of = (method: string): Cell[] => own.filter((cell) => cell.method === method);
  const lora = mean(of('lora').map(({ trainSeconds }) => trainSeconds));
  const rows = Object.keys(methods)
    .filter((method) => of(method).length > 0)
    .map((method) => row(method, of(method), suite, lora));
  const head = ['method', suite.metric, 'trained', 'of all', 'time', 'memory', 'file'];
  const { processor, threads } = own[0]!.machine;
  const atOnce = [...new Set(own.map(({ machine }) => machine.atOnce))].sort((a, b) => a - b).join(' or ');
  const machine = `${processor}, ${threads} thread${threads > 1 ? 's' : ''} a run, ${atOnce} at once; LoRA took ${Math.round(lora)} s. Seeds: ${suite.seeds.join(', ')}.`;
  const missing = Object.keys(methods).filter((method) => !suite.without.includes(method) && of(method).length === 0);
  const open = missing.length > 0 ? ` Not measured yet: ${missing.join('; ')}.` : '';
  return `## ${suite.title}\n\n${markdown([head, ...rows])}\n\n${machine}${open}\n`;
}

export function methodsPage(): string {
  const sections = Object.entries(suites).map(([name, suite]) => section(name, suite));
  return [heading, ...sections.filter(Boolean)].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('docs/methods-measured.md', root), methodsPage());
}
