import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { AttuneError } from '../errors/index.ts';
import { type Commands, defineCommand } from './command.ts';
import { runCommandLine } from './runCommandLine.ts';

const train = defineCommand({
  name: 'train',
  summary: 'Trains a model.',
  usage: 'RECIPE [key=value …]',
  positionals: { least: 1 },
  options: {
    resume: { type: 'boolean', help: 'goes on from the newest checkpoint' },
    seeds: { type: 'number', value: 'N', help: 'runs so often' },
    data: { type: 'string', value: 'FILE', short: 'd', help: 'evaluates this' },
    tag: { type: 'string', value: 'NAME', help: 'marks the run; may be given often', multiple: true },
  },
  async run({ positionals, values, out }) {
    const seeds: number | undefined = values.seeds;
    const tags: readonly string[] = values.tag;
    out.note('working');
    out.text(`trained ${positionals.join(' ')}`);
    out.object({ positionals, resume: values.resume, seeds, data: values.data, tags });
    return 0;
  },
});

const doctor = defineCommand({
  name: 'doctor',
  summary: 'Looks around.',
  usage: '',
  positionals: { least: 0, most: 0 },
  options: { how: { type: 'string', help: 'how it ends' } },
  async run({ values, signal, out }) {
    const problem = { where: 'recipe.yaml:3 task', problem: 'got 3', fix: 'give text-classification' };
    if (values.how === 'known') throw new AttuneError({ code: 'CONFIG_INVALID', ...problem });
    if (values.how === 'unknown') throw new TypeError('internal: x is not a tensor', { cause: new Error('low down') });
    if (values.how === 'closed') {
      for (let line = 0; line < 3; line++) {
        out.text(`line ${line}`);
        await out.drained();
      }
      return out.isClosed ? 0 : 7;
    }
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    if (values.how === 'cleanly') return 130;
    throw signal.reason;
  },
});

const commands: Commands = { train: async () => ({ command: train }), doctor: async () => ({ command: doctor }) };

function collect(fail?: () => NodeJS.ErrnoException) {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      if (fail) return done(fail());
      chunks.push(String(chunk));
      return done();
    },
  });
  return { stream, read: () => chunks.join('') };
}

interface Setup {
  readonly env?: Record<string, string>;
  readonly isTTY?: boolean;
  readonly failure?: string;
  readonly after?: (signals: EventEmitter, exits: number[]) => void;
}

async function attune(argv: string, { env = {}, isTTY = false, failure, after }: Setup = {}) {
  const [stdout, stderr] = [
    collect(failure ? () => Object.assign(new Error(failure), { code: failure }) : undefined),
    collect(),
  ];
  const [signals, exits] = [new EventEmitter(), [] as number[]];
  const line = runCommandLine({
    argv: argv.split(' ').filter((word) => word !== ''),
    commands,
    version: () => '1.2.3',
    stdout: Object.assign(stdout.stream, { isTTY }),
    stderr: Object.assign(stderr.stream, { isTTY }),
    env,
    signals,
    exit: (code) => exits.push(code),
  });
  await new Promise(setImmediate);
  after?.(signals, exits);
  const code = await line;
  return { code, stdout: stdout.read(), stderr: stderr.read(), listeners: signals.listenerCount('SIGINT') };
}

test('results go to stdout and what happens meanwhile to stderr', async () => {
  expect(await attune('train recipe.yaml learning_rate=3e-5')).toEqual({
    code: 0,
    stdout: 'trained recipe.yaml learning_rate=3e-5\n',
    stderr: 'working\n',
    listeners: 0,
  });
});

test('with --json stdout holds the object alone', async () => {
  const line = 'train a.yaml --json --resume --seeds 3 -d rows.csv --tag a --tag=b';
  for (const argv of [line, `--json ${line.replace(' --json', '')}`]) {
    const { stdout, stderr } = await attune(argv);
    expect(stderr).toBe('working\ntrained a.yaml\n');
    expect(JSON.parse(stdout)).toEqual({
      positionals: ['a.yaml'],
      resume: true,
      seeds: 3,
      data: 'rows.csv',
      tags: ['a', 'b'],
    });
  }
});

test('options that are not given', async () => {
  const { stdout } = await attune('train -- --resume --json');
  expect(stdout).toBe('trained --resume --json\n');
  expect(JSON.parse((await attune('--json train x')).stdout)).toEqual({ positionals: ['x'], resume: false, tags: [] });
});

test('commands that there are not', async () => {
  for (const name of ['trains', 'constructor']) {
    expect(await attune(`${name} x`)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('[USAGE]'),
    });
  }
  expect((await attune('trains x')).stderr).toContain('did you mean train?');
  const { code, stdout } = await attune('train x --dta y --json');
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'USAGE', where: 'attune train --dta' } });
});

test('help and version', async () => {
  const general = await attune('--help');
  expect(general.code).toBe(0);
  expect(general.stdout).toMatchInlineSnapshot(`
    "attune COMMAND

    Fine-tunes pretrained transformer models.

    Commands
      train   Trains a model.
      doctor  Looks around.

    Options
      -h, --help  shows this text
      --json      prints the result as JSON on stdout
      --verbose   shows with an error where in the program it came from
      --no-color  prints without colours
      --version   shows the version

    attune COMMAND --help shows what a command takes.
    "
  `);
  const { stdout } = await attune('train --help');
  expect(stdout).toMatchInlineSnapshot(`
    "attune train RECIPE [key=value …]

    Trains a model.

    Options
      --resume         goes on from the newest checkpoint
      --seeds N        runs so often
      -d, --data FILE  evaluates this
      --tag NAME       marks the run; may be given often

    Options of every command
      -h, --help  shows this text
      --json      prints the result as JSON on stdout
      --verbose   shows with an error where in the program it came from
      --no-color  prints without colours
      --version   shows the version
    "
  `);
  expect((await attune('-h train')).stdout).toBe(stdout);
  expect((await attune('--version')).stdout).toBe('1.2.3\n');
  expect(JSON.parse((await attune('--version --json')).stdout)).toEqual({ version: '1.2.3' });
  expect(JSON.parse((await attune('--help --json')).stdout)).toHaveProperty('commands.0.name', 'train');
  expect(JSON.parse((await attune('train --help --json')).stdout)).toHaveProperty('options.data.value', 'FILE');
});

test('without a command it says so, with the list', async () => {
  const { code, stdout, stderr } = await attune('');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('train   Trains a model.');
  expect(stderr).toContain('no command is given');
  const json = await attune('--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'USAGE' } });
});

test('an error is text on stderr, or an object on stdout', async () => {
  expect(await attune('doctor --how known')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: 'error recipe.yaml:3 task: got 3\n  fix: give text-classification  [CONFIG_INVALID]\n',
  });
  const { code, stdout, stderr } = await attune('doctor --how known --json');
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    error: {
      code: 'CONFIG_INVALID',
      where: 'recipe.yaml:3 task',
      problem: 'got 3',
      fix: 'give text-classification',
    },
  });
});

test('an error of our own shows where it came from when asked', async () => {
  const short = await attune('doctor --how unknown');
  expect(short).toMatchObject({ code: 1, stdout: '' });
  expect(short.stderr).toMatchInlineSnapshot(`
    "error attune: internal: x is not a tensor
      fix: run the command again with --verbose to see where it comes from  [INTERNAL]
    "
  `);
  const long = await attune('doctor --how unknown --verbose');
  expect(long.stderr).toMatch(/^\s+at .*runCommandLine\.test\.ts/m);
  expect(long.stderr).toContain('caused by low down');
  const { stdout } = await attune('doctor --how unknown --json');
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INTERNAL', problem: 'internal: x is not a tensor' } });
});

test('colours are for terminals that want them', async () => {
  const colored = '\u001b[';
  const line = 'doctor --how known';
  expect((await attune(line, { isTTY: true })).stderr).toContain(colored);
  expect((await attune(line, { env: { FORCE_COLOR: '1' } })).stderr).toContain(colored);
  for (const [argv, env] of [
    [line, { NO_COLOR: '1', FORCE_COLOR: '1' }],
    [line, { TERM: 'dumb' }],
    [`${line} --no-color`, {}],
  ] as const) {
    expect((await attune(argv, { env, isTTY: true })).stderr).not.toContain(colored);
  }
  expect((await attune(line)).stderr).not.toContain(colored);
});

test('Ctrl-C once ends the command cleanly', async () => {
  for (const how of ['cleanly', 'by-the-reason']) {
    const { code, stdout, stderr, listeners } = await attune(`doctor --how ${how}`, {
      after: (signals) => signals.emit('SIGINT'),
    });
    expect({ code, stdout, stderr, listeners }).toEqual({
      code: 130,
      stdout: '',
      stderr: 'stopping; Ctrl-C again to stop at once\n',
      listeners: 0,
    });
  }
});

test('Ctrl-C twice ends the program', async () => {
  await attune('doctor --how cleanly', {
    after: (signals, exits) => {
      signals.emit('SIGINT');
      expect(exits).toEqual([]);
      signals.emit('SIGINT');
      expect(exits).toEqual([130]);
    },
  });
});

test('a reader who leaves is no error, a full disk is', async () => {
  expect(await attune('doctor --how closed', { failure: 'EPIPE' })).toMatchObject({ code: 0, stderr: '' });
  const full = await attune('doctor --how closed', { failure: 'ENOSPC' });
  expect(full).toMatchObject({ code: 1, stderr: expect.stringContaining('[OUTPUT_WRITE]') });
});
