import { expect, test } from 'vitest';
import { parseArguments, readGlobals } from './arguments.ts';
import { defineCommand } from './command.ts';

const train = defineCommand({
  name: 'train',
  summary: '',
  usage: 'RECIPE',
  positionals: { least: 1, most: 1 },
  options: {
    resume: { type: 'boolean', short: 'r', help: '' },
    rate: { type: 'number', help: '' },
    data: { type: 'string', value: 'FILE', help: '' },
    tag: { type: 'string', help: '', multiple: true },
  },
  run: async () => 0,
});

function parse(words: string) {
  return parseArguments(words.split(' '), train);
}

function refused(words: string): string {
  try {
    parse(words);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`accepted: ${words}`);
}

test('options and words', () => {
  expect(parse('--rate -1.5 a -r --data=b=c --tag x --tag y').values).toMatchObject({
    resume: true,
    rate: -1.5,
    data: 'b=c',
    tag: ['x', 'y'],
  });
  expect(parse('-- --rate').positionals).toEqual(['--rate']);
  expect(parse('- -r -r').positionals).toEqual(['-']);
});

test('the command is the first word, wherever the options of every command stand', () => {
  for (const words of [
    ['--json', 'train', 'a', '-h'],
    ['train', '--json', '-h', 'a'],
  ]) {
    expect(readGlobals(words)).toMatchObject({ name: 'train', flags: { json: true, help: true, verbose: false } });
  }
  expect(readGlobals(['train', '--', '--json']).flags.json).toBe(false);
});

test('words that are not understood', () => {
  const lines = [
    'a --dta b',
    'a -q',
    'a --resume=yes',
    'a --data',
    'a --data --json',
    'a --data=',
    'a --data b --data c',
    'a --rate fast',
    'a --__proto__ b',
    '--resume',
    'a b',
  ];
  expect(lines.map(refused).join('\n')).toMatchInlineSnapshot(`
    "attune train --dta: there is no such option
      fix: did you mean --data? attune train --help lists the options  [USAGE]
    attune train -q: there is no such option
      fix: attune train --help lists the options  [USAGE]
    attune train --resume: takes no value, got "yes"
      fix: write --resume, or leave it out  [USAGE]
    attune train --data: has no value
      fix: write --data FILE  [USAGE]
    attune train --data: has no value
      fix: write --data FILE  [USAGE]
    attune train --data: has no value
      fix: write --data FILE  [USAGE]
    attune train --data: is given twice
      fix: give it once  [USAGE]
    attune train --rate: got "fast"
      fix: give a number  [USAGE]
    attune train --__proto__: there is no such option
      fix: attune train --help lists the options  [USAGE]
    attune train: something is missing: RECIPE
      fix: write attune train RECIPE  [USAGE]
    attune train b: is one word too many
      fix: write attune train RECIPE  [USAGE]"
  `);
});
