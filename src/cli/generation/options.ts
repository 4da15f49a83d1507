import { usage } from '../arguments.ts';
import type { Command, Values } from '../command.ts';

const FORMS =
  'fp32, int8 or int4: how the weights are read; left out, as they were in training, and files of 4 bits as they are';

/** Options of commands that write text; each is a setting of generation under the same name. */
export const generationOptions = {
  'max-new-tokens': { type: 'number', value: 'N', help: 'the most tokens of an answer; left out, 256' },
  temperature: { type: 'number', value: 'T', help: 'left out, 0: the likeliest token is taken each time' },
  'top-k': { type: 'number', value: 'K', help: 'draws from that many likeliest tokens' },
  'top-p': { type: 'number', value: 'P', help: 'draws from the fewest tokens with so much probability' },
  'min-p': { type: 'number', value: 'P', help: 'draws from tokens at least this share as likely as the likeliest' },
  'repetition-penalty': { type: 'number', value: 'X', help: 'makes tokens that came before less likely' },
  'presence-penalty': { type: 'number', value: 'X', help: 'taken off the score of each token that was generated' },
  'frequency-penalty': { type: 'number', value: 'X', help: 'the same, as often as it was generated' },
  'logit-bias': { type: 'string', value: 'ID=X', multiple: true, help: 'added to the score of the token of that id' },
  stop: { type: 'string', value: 'TEXT', multiple: true, help: 'a text that ends the answer' },
  seed: { type: 'number', value: 'N', help: 'the same seed draws the same tokens' },
  system: { type: 'string', value: 'TEXT', help: 'the system message of a conversation' },
  think: { type: 'boolean', help: 'lets a model that can think do so before it answers' },
  'base-precision': { type: 'string', value: 'FORM', help: FORMS },
} as const;

type Given = Values<typeof generationOptions> & { readonly n?: number | undefined };

const numbers = [
  ...['max-new-tokens', 'temperature', 'top-k', 'top-p', 'min-p'],
  ...['repetition-penalty', 'presence-penalty', 'frequency-penalty', 'seed', 'n'],
] as readonly (keyof Given)[];

/** `383=-100` */
function biasOf(word: string, command: Pick<Command, 'name'>): [string, number] {
  const [, id, bias] = /^(\d+)=(-?\d+(?:\.\d+)?)$/.exec(word) ?? [];
  if (id !== undefined) return [id, Number(bias)];
  const fix = 'give the id of a token and a number, such as 383=-100';
  throw usage({ command, word: '--logit-bias', problem: `got ${JSON.stringify(word)}`, fix });
}

/** The settings that were given, checked. */
export async function settingsOf(given: Given, command: Pick<Command, 'name'>) {
  const { checkSettings } = await import('../../recipes/speaking/settings.ts');
  const wished = Object.fromEntries(numbers.map((name) => [name.replaceAll('-', '_'), given[name]]));
  const present = Object.fromEntries(Object.entries(wished).filter(([, value]) => value !== undefined));
  const biases = Object.fromEntries(given['logit-bias'].map((word) => biasOf(word, command)));
  const stops = given.stop.length > 0 && { stop: [...given.stop] };
  const checked = checkSettings({ ...present, logit_bias: biases, ...stops });
  if ('settings' in checked) return checked.settings;
  const [{ where, problem, fix }] = checked.problems;
  const word = `--${where.split('.')[0]!.replaceAll('_', '-')}`;
  throw usage({ command, word, problem, fix });
}

export async function precisionOf({ 'base-precision': given }: Given, command: Pick<Command, 'name'>) {
  const { basePrecisions } = await import('../../models/nn/index.ts');
  const known = basePrecisions.find((name) => name === given);
  if (given === undefined || known) return known;
  const fix = `give one of ${basePrecisions.join(', ')}`;
  throw usage({ command, word: '--base-precision', problem: `got ${JSON.stringify(given)}`, fix });
}

/** The beginning of a conversation. */
export const opening = ({ system }: Given) =>
  system === undefined ? [] : [{ role: 'system', content: system } as const];
