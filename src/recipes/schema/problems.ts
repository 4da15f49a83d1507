import type { z } from 'zod';
import { AttuneError, nearest, type Problem } from '../../errors/index.ts';
import { at, type Declared, declaredAt, type Path } from './declaration.ts';
import { takes, words } from './takes.ts';
import { fixUnknownKey } from './unknownKey.ts';

/** Names a place of the document for people: `recipe.yaml:12 training.learning_rate`. */
export type PlaceOf = (path: Path) => string;

export interface Source {
  readonly document: unknown;
  readonly placeOf: PlaceOf;
}

type Issue = z.core.$ZodIssue;

export function problemsOf(issues: readonly Issue[], root: Declared, source: Source): Problem[] {
  return issues.flatMap(atItsBranch).flatMap((issue) => {
    if (issue.code === 'invalid_key') return [keyProblem(issue, root, source)];
    if (issue.code !== 'unrecognized_keys') return [valueProblem(issue.path, root, source)];
    return issue.keys.map((key) => unknownKeyProblem([...issue.path, key], root, source));
  });
}

/** Where a value may take several forms, what is wrong is told of the form it was written in. */
function atItsBranch(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const branch = issue.errors.find((issues) => !issues.some(isOfAnotherForm));
  if (!branch || branch.length === 0) return [issue];
  return branch.flatMap((inner) => atItsBranch({ ...inner, path: [...issue.path, ...inner.path] }));
}

function isOfAnotherForm({ path, code }: Issue): boolean {
  return path.length === 0 && ['invalid_type', 'invalid_value', 'invalid_union'].includes(code);
}

function unknownKeyProblem(path: Path, root: Declared, { document, placeOf }: Source): Problem {
  return {
    code: 'CONFIG_UNKNOWN_KEY',
    where: placeOf(path),
    problem: `there is no setting \`${path.map(String).join('.')}\``,
    fix: fixUnknownKey(root, path, document),
  };
}

/** Of a mapping whose keys are free, but of one kind. */
function keyProblem(
  { path, issues }: z.core.$ZodIssueInvalidKey,
  root: Declared,
  { document, placeOf }: Source,
): Problem {
  const [group, key] = [path.slice(0, -1), String(path.at(-1))];
  return {
    code: 'CONFIG_INVALID',
    where: placeOf(group),
    problem: `got the key ${shown(key)}: ${issues[0]?.message}`,
    fix: `give ${takes(declaredAt(root, group, document))}`,
  };
}

function valueProblem(path: Path, root: Declared, { document, placeOf }: Source): Problem {
  const value = at(document, path);
  const declared = declaredAt(root, path, document);
  const group = declaredAt(root, path.slice(0, -1), document);
  const place = { code: 'CONFIG_INVALID', where: placeOf(path) } as const;
  if (value === undefined) return { ...place, problem: 'is missing', fix: `add it: ${takes(declared)}` };
  const isNeeded = group.required?.includes(String(path.at(-1)));
  const orRemove = value === null && !isNeeded ? ', or remove the key' : '';
  return { ...place, problem: `got ${shown(value)}`, fix: `${fixValue(value, declared)}${orRemove}` };
}

function fixValue(value: unknown, declared: Declared): string {
  if (typeof value !== 'string') return `give ${takes(declared)}`;
  const choices = words(declared);
  // Words of three letters lie too close together: gpu is no misspelt cpu.
  const close = choices.length > 1 && value.length > 3 ? nearest(value, choices) : undefined;
  const isQuotedNumber = value.trim() !== '' && Number.isFinite(Number(value));
  return `${close ? `did you mean ${close}? ` : ''}give ${takes(declared)}${isQuotedNumber ? ', without quotes' : ''}`;
}

/** A value as it would be written, short enough for one line. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  const short = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return value === null ? 'nothing' : short;
}

/** One error for all of them: its fields are those of the first, its message lists every one. */
export function recipeError(problems: readonly [Problem, ...Problem[]]): AttuneError {
  const error = new AttuneError(problems[0], { cause: problems });
  error.message = problems.map((problem) => new AttuneError(problem).message).join('\n');
  return error;
}
