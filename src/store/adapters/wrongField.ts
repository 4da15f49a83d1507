import { AttuneError } from '../../errors/index.ts';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Fields that have no place there. */
  readonly keys?: readonly string[];
}

/** A field of another program's file whose value can be none, or that its kind of adapter does not have. */
export function wrongField(file: unknown, { path, message, keys }: Issue, where: string): AttuneError {
  const field = [...path, ...(keys?.slice(0, 1) ?? [])];
  const value = field.reduce<unknown>((here, key) => Object(here)[key], file);
  const got = `${field.join('.')}: got ${JSON.stringify(value) ?? 'nothing'}`;
  const kind = typeof value === 'number' ? 'number' : 'value';
  return new AttuneError({
    code: 'ADAPTER_UNSUPPORTED',
    where,
    problem: keys ? `${got}, which is not read with this kind of adapter` : `${got}; ${message}`,
    fix: keys
      ? 'remove it if the adapter was trained without it, or train the adapter without it'
      : `write there the ${kind} that it was trained with, or save the adapter again`,
  });
}
