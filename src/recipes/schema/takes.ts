import { alternatives, type Declared, keysOf, valuesOf } from './declaration.ts';

/** What a setting takes, in words for people: "auto, or a number from 0 to 0.9". */
export function takes(declared: Declared): string {
  if (declared.takes !== undefined) return declared.takes;
  if (declared.const !== undefined) return String(declared.const);
  if (declared.enum) return declared.enum.length > 1 ? `one of ${declared.enum.join(', ')}` : String(declared.enum[0]);
  const choices = alternatives(declared);
  if (choices.length > 0) return choices.map(takes).join(', or ');
  return typeTakes(declared);
}

function typeTakes(declared: Declared): string {
  switch (declared.type) {
    case 'integer':
      return `a whole number${range(declared)}`;
    case 'number':
      return `a number${range(declared)}`;
    case 'array':
      return `a list, each item ${takes((declared.items ?? {}) as Declared)}`;
    case 'boolean':
      return 'true or false';
    case 'object':
      return mappingTakes(declared);
    default:
      return 'a text that is not empty';
  }
}

function mappingTakes(declared: Declared): string {
  const keys = offeredKeys(declared);
  const values = valuesOf(declared);
  if (keys.length > 0 || !values) return `a mapping with the keys ${keys.join(', ')}`;
  return `a mapping, each value ${takes(values)}`;
}

function range({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Declared): string {
  if (exclusiveMinimum !== undefined) {
    const most = exclusiveMaximum === undefined ? maximum : exclusiveMaximum;
    const bound = exclusiveMaximum === undefined ? 'at most' : 'below';
    return ` above ${exclusiveMinimum}${most === undefined ? '' : ` and ${bound} ${most}`}`;
  }
  if (minimum === undefined) return '';
  if (maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  return exclusiveMaximum !== undefined ? ` from ${minimum} to below ${exclusiveMaximum}` : ` of at least ${minimum}`;
}

/** The keys of a group without those that are only for editors. */
export function offeredKeys(declared: Declared, value?: unknown): string[] {
  return Object.keys(keysOf(declared, value)).filter((key) => !key.startsWith('$'));
}

/** The words among which a text may choose. */
export function words(declared: Declared): string[] {
  const own = [declared.const, ...(declared.enum ?? [])].filter((word) => typeof word === 'string');
  return [...own, ...alternatives(declared).flatMap(words)];
}
