import { AttuneError } from '../../errors/index.ts';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A field of another program's file whose value can be none. */
export function wrongField(file: unknown, { path, message }: Issue, where: string): AttuneError {
  const value = path.reduce<unknown>((here, key) => Object(here)[key], file);
  const kind = typeof value === 'number' ? 'number' : 'value';
  return new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem: `${path.join('.')}: got ${JSON.stringify(value) ?? 'nothing'}; ${message}`,
    fix: `write there the ${kind} that it was trained with, or save the adapter again`,
  });
}
