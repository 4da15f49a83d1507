/** Runs the compiled command line on the tiny model, in folders that are removed afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const root = join(import.meta.dirname, '../..');
/** Another build of the package than that of this tree, say the one that is going to be published. */
export const distFolder = process.env.ATTUNE_TEST_DIST ?? join(root, 'dist');
/** 3 layers of width 32, 99 tokens, 40 positions; its head knows negative, neutral and positive. */
export const tinyModel = join(root, 'tests/golden/bert-tiny/model');
const main = join(distFolder, 'cli/main.js');
if (!existsSync(main)) throw new Error(`these tests run ${main}, which is missing: call "npm run build" first`);

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder that is removed when the tests of the file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'attune-e2e-'));
  folders.push(folder);
  return folder;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when stderr holds the text; rejects when the program ends without it. */
  told(text: string): Promise<void>;
}

export interface Place {
  /** The working folder. */
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user, which takes root. */
  readonly user?: number | undefined;
}

/** Nothing of the machine's own caches and no network; texts without colours. */
function environment(cwd: string): NodeJS.ProcessEnv {
  const { FORCE_COLOR: _, ...kept } = process.env;
  return {
    ...kept,
    NO_COLOR: '1',
    HF_HUB_OFFLINE: '1',
    HF_HOME: join(cwd, 'no-hub'),
    ATTUNE_HOME: join(cwd, 'no-home'),
  };
}

export function start(words: readonly string[], { cwd, env = {}, user }: Place): Started {
  const asUser = user === undefined ? {} : { uid: user, gid: user };
  const child = spawn(process.execPath, [main, ...words], { cwd, env: { ...environment(cwd), ...env }, ...asUser });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    child,
    finished,
    told: (text) =>
      new Promise((resolve, reject) => {
        const look = () => stderr.includes(text) && resolve();
        child.stderr.on('data', look);
        child.on('close', () => reject(new Error(`ended without "${text}":\n${stdout}\n${stderr}`)));
        look();
      }),
  };
}

export const attune = (words: readonly string[], place: Place): Promise<Finished> => start(words, place).finished;

/** The one JSON object that stdout has to hold with `--json`. */
export function objectOf<T = Readonly<Record<string, unknown>>>({ stdout, stderr }: Finished): T {
  const lines = stdout.split('\n');
  if (lines.length !== 2 || lines[1] !== '') throw new Error(`not one line of JSON:\n${stdout}\n${stderr}`);
  return JSON.parse(lines[0]!) as T;
}

export interface Problem {
  readonly code: string;
  readonly where: string;
  readonly problem: string;
  readonly fix: string;
}

export const errorOf = (finished: Finished): Problem => objectOf<{ error: Problem }>(finished).error;

/** What these tests read of run.json. */
export interface Run {
  readonly status: string;
  readonly error: Problem | null;
  readonly best_step: number;
  readonly steps: number;
  readonly base_loss: number;
  readonly before: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly rows: { readonly train: number; readonly validation: number; readonly test: number };
  readonly labels: readonly string[];
}

/** Trains and expects that to go well. Returns what was printed. */
export async function train(words: readonly string[], place: Place): Promise<Run> {
  const finished = await attune(['train', ...words, '--json'], place);
  if (finished.code !== 0) throw new Error(`exit code ${finished.code}:\n${finished.stdout}\n${finished.stderr}`);
  return objectOf<Run>(finished);
}

export const readJson = <T = Readonly<Record<string, unknown>>>(...path: string[]): T =>
  JSON.parse(readFileSync(join(...path), 'utf8')) as T;

export const readLines = <T = Readonly<Record<string, unknown>>>(...path: string[]): T[] =>
  linesOf(readFileSync(join(...path), 'utf8'));

/** Lines of JSON, each ended by a line feed. */
export function linesOf<T = Readonly<Record<string, unknown>>>(text: string): T[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error(`the last line is cut off: ${text.slice(-100)}`);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T);
}

/** Every file below a folder with its bytes, to show that nothing changed. */
export function contentsOf(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return new Map(paths.map((path) => [path, readFileSync(path).toString('base64')]));
}

/** The float32 tensors of a .safetensors file, read without Attune's own reader. */
export function tensorsOf(path: string): Map<string, Float32Array> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { data_offsets: [number, number] }>;
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(
    tensors.map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => [name, new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer)],
    ),
  );
}

/** Writes a recipe as JSON; returns its name. */
/** Fields that docs/reference/run-folder.md does not name. */
export function unexplained(fields: readonly string[]): string[] {
  const page = readFileSync(join(root, 'docs/reference/run-folder.md'), 'utf8');
  return fields.filter((field) => !page.includes(`\`${field}\``));
}

export function writeRecipe(folder: string, recipe: object, name = 'recipe.json'): string {
  writeFileSync(join(folder, name), JSON.stringify(recipe, null, 2));
  return name;
}
