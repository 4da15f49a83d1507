/** One JSON text to the values of a row. */
import { excerpt } from '../problems.ts';
import type { Fault } from '../row.ts';

export type Parsed = { readonly values: Record<string, unknown> } | { readonly fault: Fault };

export function parseObject(text: string, example: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's own quotation goes: it cuts as it likes, and the excerpt follows.
    const reason = (error as SyntaxError).message.replace(/, (?:\.\.\.)?".*is not valid JSON$/s, '');
    return { fault: { code: 'DATA_SYNTAX', problem: `${excerpt(reason)} in ${excerpt(text)}`, fix: fixFor(text) } };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return { values: value as Record<string, unknown> };
  }
  const kind = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  const problem = `each row is an object with named columns, found ${kind}: ${excerpt(text)}`;
  return { fault: { code: 'DATA_SYNTAX', problem, fix: `write each row as ${example}` } };
}

function fixFor(text: string): string {
  if (/^\s*\{\s*'/.test(text)) return "JSON takes double quotes: write rows with json.dumps, not with Python's str";
  if (/[:[,]\s*(?:NaN|-?Infinity|None|True|False|undefined)\b/.test(text)) {
    return 'JSON knows null, true and false, and no NaN, Infinity, None, True or False: write one of the former';
  }
  return 'mend the line, or write the file again with a JSON library';
}
