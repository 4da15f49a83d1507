/** What is wrong in a config.json: which field, what it has, and what it takes. */
import type { z } from 'zod';
import { AttuneError } from '../errors/index.ts';

type Issue = z.core.$ZodIssue;

export function configProblem(issue: Issue, fields: unknown, where: string): AttuneError {
  const place = [where, issue.path.map(String).join('.')].filter((word) => word !== '').join(' ');
  const value = valueAt(fields, issue.path);
  const got = value === undefined ? undefined : `got ${shown(value)}`;
  const own = issue.code === 'custom' ? issue.message : undefined;
  const allowed = own === undefined ? allowedBy(issue) : undefined;
  return new AttuneError({
    code: 'MODEL_CONFIG',
    where: place,
    problem: [got, own].filter((words) => words !== undefined).join(': ') || 'it is missing',
    fix: `${allowed === undefined ? 'give' : `give ${allowed}:`} the value that the checkpoint was made with`,
  });
}

/** Fields that older files call otherwise. */
const olderNames: Readonly<Record<string, string>> = { rope_type: 'type' };

function valueAt(fields: unknown, path: Issue['path']): unknown {
  return path.reduce((here: unknown, key) => {
    if (typeof here !== 'object' || here === null) return undefined;
    const older = olderNames[String(key)];
    return Reflect.get(here, key) ?? (older === undefined ? undefined : Reflect.get(here, older));
  }, fields);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

const kinds: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  string: 'a text',
  array: 'a list',
  object: 'a mapping',
};

/** Undefined where it cannot be said in a few words. */
function allowedBy(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return kinds[issue.expected];
    case 'invalid_value':
      return oneOf(issue.values);
    case 'too_small':
      return `a number ${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `a number ${issue.inclusive ? 'of at most' : 'below'} ${issue.maximum}`;
    case 'invalid_union':
      return 'options' in issue ? oneOf(issue.options as readonly unknown[]) : undefined;
    default:
      return undefined;
  }
}

const oneOf = (values: readonly unknown[]): string =>
  values.length === 1 ? String(values[0]) : `one of ${values.map(String).join(', ')}`;
