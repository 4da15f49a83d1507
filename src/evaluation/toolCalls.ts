/** Calls of tools in what a model wrote: objects with a name and arguments, wherever a template puts them. */
import { canonicalJson } from '../files/index.ts';

export interface Called {
  readonly name: string;
  readonly arguments: unknown;
}

/** In the order of the text. Templates write `arguments` or `parameters`, between tags of their own. */
export function callsIn(text: string): Called[] {
  const calls: Called[] = [];
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at)) {
    const end = endOfObject(text, at);
    const call = end === undefined ? undefined : callOf(text.slice(at, end));
    if (call) calls.push(call);
    at = call ? end! : at + 1;
  }
  return calls;
}

function callOf(json: string): Called | undefined {
  try {
    const { name, arguments: given, parameters } = JSON.parse(json) as Record<string, unknown>;
    const values = given ?? parameters;
    if (typeof name !== 'string' || values === undefined) return undefined;
    return { name, arguments: typeof values === 'string' ? JSON.parse(values) : values };
  } catch {
    return undefined;
  }
}

/** Behind the brace that closes the one at `start`; undefined where none does. */
function endOfObject(text: string, start: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let at = start; at < text.length; at++) {
    const character = text[at]!;
    if (inString && character === '\\') at += 1;
    else if (character === '"') inString = !inString;
    else if (!inString && character === '{') depth += 1;
    else if (!inString && character === '}' && --depth === 0) return at + 1;
  }
  return undefined;
}

/** The same functions with the same arguments, in the same order; the order of keys means nothing. */
export const sameCalls = (found: readonly Called[], wanted: readonly Called[]): boolean =>
  found.length === wanted.length && found.every((call, i) => canonicalJson(call) === canonicalJson(wanted[i]!));
