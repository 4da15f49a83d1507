/** Writes docs/methods-measured.md from what bench/methods/run.ts kept: `npm run docs:methods`. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { defaultLearningRate, methods as known } from '../../src/methods/index.ts';
import { markdown } from '../table.ts';
import { methods, type Suite, type SuiteName, suites } from './cells.ts';
import { type Cell, type Rated, readCells, readPaces, readRates } from './results.ts';

const root = new URL('../../', import.meta.url);
const cells = [...readCells(fileURLToPath(new URL('bench/methods/measured.json', root))).values()];

/** LoRA beside another number of runs: the unit of rows that were measured so. */
const loraAgain = [...readCells(fileURLToPath(new URL('bench/methods/loraAgain.json', root))).values()];

const paces = readPaces(fileURLToPath(new URL('bench/methods/pace.json', root)));

const heading = `# Every method on the same task

Generated from \`bench/methods/measured.json\` by \`npm run docs:methods\`. One command measures, and goes on where it was interrupted:

\`\`\`
npm run build && npx tsx bench/methods/run.ts --suite sst2|gsm8k --model MODEL [--parallel N] [--threads N]
\`\`\`

"A step" is measured apart, by \`bench/methods/pace.ts\`: the same batches by one method after the other, the fastest of each step, in units
of LoRA's.

Each method has the learning rate that Attune gives it where a recipe names none. Some of these rates were chosen among those
[below](#rates-that-were-tried), on rows of both tasks that nothing here learns from or is measured on; for the others none was looked for,
so theirs may be better elsewhere. That of AdaLoRA, 1e-2, was found on SST-2's validation rows at first ([log](log.md), "AdaLoRA needs ten
times the rate of LoRA"), and was the best of three on the other rows as well.

What a recipe says of each is [below](#what-a-recipe-says): LoRA and its kin stand beside all linear layers, most of them with r 8; AdaLoRA
begins with 12 and gives up all but 8 on average, VeRA's fixed matrices have 256. Time is that of a run's steps, in units of LoRA's beside
as many other runs; memory is the peak of the whole process, from reading the model to the last question that it is asked; the file is what the run
leaves, of a method that trains a part its adapter. ± is the standard deviation over seeds.
`;

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
const deviation = (numbers: readonly number[]): number =>
  Math.sqrt(numbers.reduce((sum, one) => sum + (one - mean(numbers)) ** 2, 0) / (numbers.length - 1));

const shownQuality = (value: number, { metric }: Suite): string =>
  metric === 'accuracy' ? `${(value * 100).toFixed(1)} %` : value.toFixed(4);

/** Seconds of LoRA by the number of runs at once: what runs beside a run takes from its rate. */
type LoraSeconds = ReadonlyMap<number, number>;

function loraSeconds(suite: string): LoraSeconds {
  const own = [...cells, ...loraAgain].filter((cell) => cell.suite === suite && cell.method === 'lora');
  const numbers = [...new Set(own.map(({ machine }) => machine.atOnce))].sort((a, b) => a - b);
  const taken = (atOnce: number) =>
    own.filter(({ machine }) => machine.atOnce === atOnce).map(({ trainSeconds }) => trainSeconds);
  return new Map(numbers.map((atOnce) => [atOnce, mean(taken(atOnce))]));
}

interface Unit {
  readonly pace: number | undefined;
  readonly lora: LoraSeconds;
}

function row(method: string, own: readonly Cell[], suite: Suite, { pace, lora }: Unit): string[] {
  const unit = lora.get(own[0]!.machine.atOnce);
  const of = (name: 'quality' | 'trainSeconds' | 'peakBytes' | 'fileBytes') => own.map((cell) => cell[name]);
  const quality = mean(of('quality'));
  const scatter = own.length > 1 ? deviation(of('quality')) : undefined;
  const { trainableParameters: trained, totalParameters: total } = own[0]!;
  return [
    method,
    `${shownQuality(quality, suite)}${scatter === undefined ? '' : ` ± ${(scatter * 100).toFixed(1)}`}`,
    trained >= 1e6 ? `${(trained / 1e6).toFixed(2)} M` : `${(trained / 1e3).toFixed(1)} k`,
    `${((trained / total) * 100).toFixed(2)} %`,
    pace === undefined ? '–' : `${pace.toFixed(2)}×`,
    unit === undefined ? '–' : `${(mean(of('trainSeconds')) / unit).toFixed(2)}×`,
    `${Math.round(mean(of('peakBytes')) / 1e6)} MB`,
    `${(mean(of('fileBytes')) / 1e6).toFixed(1)} MB`,
  ];
}

function section(name: string, suite: Suite): string {
  const own = cells.filter((cell) => cell.suite === name);
  if (own.length === 0) return '';
  const of = (method: string): Cell[] => own.filter((cell) => cell.method === method);
  const lora = loraSeconds(name);
  const rows = Object.keys(methods)
    .filter((method) => of(method).length > 0)
    .map((method) => row(method, of(method), suite, { pace: paces[name]?.[method], lora }));
  const head = ['method', suite.metric, 'trained', 'of all', 'a step', 'time', 'memory', 'file'];
  const missing = Object.keys(methods).filter(
    (method) => !Object.hasOwn(suite.without, method) && of(method).length === 0,
  );
  const open = missing.length > 0 ? ` Not measured yet: ${missing.join('; ')}.` : '';
  const without = Object.entries(suite.without).map(([method, why]) => `${method} (${why})`);
  const leftOut = without.length > 0 ? ` Left out on purpose: ${without.join('; ')}.` : '';
  return `## ${suite.title}\n\n${markdown([head, ...rows])}\n\n${machineOf(own, suite, lora)}${open}${leftOut}\n`;
}

function machineOf(own: readonly Cell[], { seeds }: Suite, lora: LoraSeconds): string {
  const { processor, threads } = own[0]!.machine;
  const beside = [...lora].map(([atOnce, seconds]) => `${Math.round(seconds)} s with ${atOnce} runs at once`);
  const run = `${processor}, ${threads} thread${threads > 1 ? 's' : ''} a run`;
  return `${run}; LoRA took ${beside.join(' and ')}. Seeds: ${seeds.join(', ')}.`;
}

const rateOf = (settings: (typeof methods)[string]): number =>
  defaultLearningRate(known[settings.name].settings.parse(settings));

function recipes(): string {
  const rows = Object.entries(methods).map(([method, settings]) => [
    method,
    `\`${JSON.stringify(settings)}\``,
    rateOf(settings).toExponential(),
  ]);
  return `## What a recipe says\n\n${markdown([['', '`method`', 'learning rate'], ...rows])}\n`;
}

const rated = readRates(fileURLToPath(new URL('bench/methods/rates.json', root)));

/** The rates of a method on one task, and what each gave; that of the table stands out. */
function triedOn(suite: string, method: string): string {
  const own = rated.filter((one) => one.suite === suite && one.method === method).sort((a, b) => a.rate - b.rate);
  const usual = rateOf(methods[method]!);
  const shown = ({ rate, quality }: Rated): string => {
    const text = `${rate.toExponential()}: ${shownQuality(quality, suites[suite as SuiteName])}`;
    return rate === usual ? `**${text}**` : text;
  };
  return own.length > 0 ? own.map(shown).join(', ') : '–';
}

const aboutRates = `On rows of the training file that nothing learns from and the tables do not have (\`bench/methods/rates.ts\`): 872 of SST-2, 100
of gsm8k. One seed, so a point of accuracy is noise.`;

function tried(): string {
  const names = Object.keys(suites);
  const rows = Object.keys(methods)
    .filter((name) => rated.some(({ method }) => method === name))
    .map((method) => [method, ...names.map((suite) => triedOn(suite, method))]);
  const table = markdown([['', 'SST-2, accuracy', 'gsm8k, loss'], ...rows]);
  return `## Rates that were tried\n\n${aboutRates}\n\n${table}\n`;
}

export function methodsPage(): string {
  const sections = Object.entries(suites).map(([name, suite]) => section(name, suite));
  return [heading, ...sections.filter(Boolean), recipes(), tried()].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('docs/methods-measured.md', root), methodsPage());
}
