/** Calls of tools in what a model wrote: objects with a name and arguments, or arguments behind a tag with the name. */
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
    const call = end === undefined ? undefined : callOf(text.slice(at, end), nameBefore(text, at));
    if (call) calls.push(call);
    at = call ? end! : at + 1;
  }
  return calls;
}

/** `<function=name>{…}` as Llama 3 has it, `[TOOL_CALLS]name[ARGS]{…}` as Mistral. */
const nameBefore = (text: string, at: number): string | undefined =>
  /(?:<function=|\[TOOL_CALLS\]\s*)([\w.-]{1,64})(?:>|\[ARGS\])\s*$/.exec(text.slice(Math.max(0, at - 100), at))?.[1];

/** `tagged`: the name that stands before the object, which then has the arguments alone. */
function callOf(json: string, tagged: string | undefined): Called | undefined {
  try {
    if (tagged !== undefined) return { name: tagged, arguments: JSON.parse(json) as unknown };
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
