/** What is written about the code is true of the code. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { methodsPage } from '../../bench/methods/page.ts';
import { benchmarksPage } from '../../bench/page.ts';
import { commands } from '../../src/cli/commands.ts';
import { generationSettings } from '../../src/inference/generation/index.ts';
import { drawPictures } from '../../tools/generation/pictures.ts';
import { commandsPage } from '../../tools/writeCommands.ts';
import { errorsPage } from '../../tools/writeErrors.ts';
import { exists, filesBelow, read, root } from './files.ts';

test('docs/errors.md lists the codes of src/errors/codes.ts', () => {
  expect(read('docs/errors.md'), 'run `npm run docs:errors`').toBe(errorsPage());
});

test('docs/reference/commands.md lists the commands and options of src/cli', async () => {
  expect(read('docs/reference/commands.md'), 'run `npm run docs:commands`').toBe(await commandsPage());
});

test('docs/benchmarks.md shows the newest results of bench/results', () => {
  expect(read('docs/benchmarks.md'), 'run `npm run docs:benchmarks`').toBe(benchmarksPage());
});

test('docs/methods-measured.md shows what bench/methods measured', () => {
  expect(read('docs/methods-measured.md'), 'run `npm run docs:methods`').toBe(methodsPage());
});

test('docs/guide/generation/ has the pictures that its functions draw today, and no others', () => {
  const drawn = drawPictures();
  const kept = filesBelow('docs/guide/generation').filter((file) => file.endsWith('.svg'));
  expect(kept).toEqual(
    Object.keys(drawn)
      .map((name) => `docs/guide/generation/${name}`)
      .sort(),
  );
  for (const [name, picture] of Object.entries(drawn)) {
    expect(read(`docs/guide/generation/${name}`), 'run `npm run docs:generation`').toBe(picture);
  }
});

describe.each(['docs/guide/generation.md', 'docs/guide/generation.zh-CN.md'])('%s', (page) => {
  test('explains every setting of generation, with its default, and shows every picture', () => {
    const explained = [...read(page).matchAll(/^\| `(\w+)` \| `([^`]+)`/gm)].map(([, name, value]) => [name, value]);
    const settings = Object.entries(generationSettings.parse({}));
    expect(explained.sort()).toEqual(settings.map(([name, value]) => [name, JSON.stringify(value)]).sort());
    const shown = [...read(page).matchAll(/\(generation\/([\w-]+\.svg)\)/g)].map(([, name]) => name);
    expect(shown.sort()).toEqual(Object.keys(drawPictures()).sort());
  });
});

describe('ARCHITECTURE.md', () => {
  test('has at most 150 lines', () => {
    expect(read('ARCHITECTURE.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150);
  });

  test('has a line for each room of src, and for no other', () => {
    const rooms = [...read('ARCHITECTURE.md').matchAll(/^`([a-z]+)\/`/gm)].map(([, room]) => room);
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(rooms.sort(), 'a room is a line that starts with `room/`').toEqual(folders.map(({ name }) => name).sort());
  });
});

describe.each(['README.md', 'README.zh-CN.md'])('%s', (file) => {
  test.skipIf(file !== 'README.md' && !exists(file))('has a row for each command, and for no other', () => {
    const names = [...read(file).matchAll(/^\| `attune ([a-z-]+)/gm)].map(([, name]) => name);
    expect([...new Set(names)].sort()).toEqual(Object.keys(commands).sort());
  });
});

describe('links', () => {
  const titled = [
    'README',
    'README.zh-CN',
    'ARCHITECTURE',
    'CONTRIBUTING',
    'tests/golden/README',
    'tools/golden/README',
  ];
  const pages = [...titled.map((name) => `${name}.md`), ...filesBelow('docs')].filter((file) => file.endsWith('.md'));

  test.each(pages)('of %s lead to files that are there, and to headings that they have', (page) => {
    const prose = read(page).replaceAll(/^( *)```.*?^\1```$/gms, '');
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link!)
      .filter((link) => !/^https?:/.test(link));
    const lost = links.filter((link) => {
      const [path, heading] = link.split('#') as [string, string?];
      const file = path === '' ? page : join(dirname(page), path);
      return !exists(file) || (heading !== undefined && !headingsOf(file).includes(heading));
    });
    expect(lost).toEqual([]);
  });
});

/** As they stand in links: small letters and hyphens, without what is neither. */
const headingsOf = (file: string): string[] =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );

test('CHANGELOG.md has what is not released yet, or this version', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const titles = read('CHANGELOG.md').split('\n');
  const isCurrent = titles.some((line) => /^## \[?Unreleased\b/.test(line) || line.startsWith(`## ${version}`));
  expect(isCurrent, `add a line "## Unreleased" or "## ${version}"`).toBe(true);
});

test('a decision has a date in its name and begins with a title', () => {
  const wrong = filesBelow('docs/decisions').filter(
    (file) => !/\/\d{4}-\d{2}-\d{2}-[a-z0-9-]+\.md$/.test(file) || !/^# \S/.test(read(file)),
  );
  expect(wrong, 'docs/decisions/YEAR-MONTH-DAY-what-was-decided.md, first line "# Title"').toEqual([]);
});

describe.skipIf(!exists('.git'))('the repository belongs to no machine', () => {
  /** Files that need such a path or host, with the reason. */
  const exceptions: Readonly<Record<string, string>> = {
    'package-lock.json': 'npm writes where each package comes from',
  };
  const machinePath = /(?<![\w.~-])\/(?:work|tmp|root|home)\//;
  const registryHost = /registry\.npmjs\.org|pypi\.org|files\.pythonhosted/;

  test('no file names a folder of a machine or the host of a registry', () => {
    const wrong = repositoryFiles()
      .filter((file) => !(file in exceptions))
      .flatMap((file) => {
        const text = read(file);
        if (text.slice(0, 8192).includes('\0')) return [];
        const lines = text.split('\n').map((line, index) => ({ line, place: `${file}:${index + 1}` }));
        return lines.filter(({ line }) => machinePath.test(line) || registryHost.test(line));
      });
    expect(wrong.map(({ line, place }) => `${place}: ${line.trim().slice(0, 120)}`)).toEqual([]);
  });
});

/** Tracked files, and new ones that git does not ignore. */
function repositoryFiles(): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const files = execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
  return files.filter((file) => statSync(join(root, file), { throwIfNoEntry: false })?.isFile());
}
