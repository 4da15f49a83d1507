/** The rows that a language model was measured on: how well it expected each, and what it wrote where it was asked. */
import type { EncodedRow } from '../../../data/batch.ts';
import { labelCount } from '../../../data/text/tokenRow.ts';

/** What was written in place of a turn that the data has. */
interface WrittenTurn {
  readonly row: number;
  readonly turn: number;
  readonly prompt: string;
  readonly expected: string;
  readonly prediction: string;
  readonly finishReason: string;
  readonly tokens: number;
  readonly calls?: { readonly expected: readonly object[]; readonly predicted: readonly object[]; correct: boolean };
}

export interface MeasuredRows {
  readonly rows: readonly EncodedRow[];
  /** `path:line` of each row. */
  readonly places: readonly string[];
  readonly rowLosses: Float32Array | undefined;
  readonly turns: readonly WrittenTurn[];
  /** What a row says; left out where turns show it. */
  readonly textOf?: (row: number) => string;
}

const ROWS_AT_ONCE = 1000;

/** predictions.jsonl in pieces, in the order of the files: a line for each row, or for each of its turns that was asked for. */
export function* languageLines(measured: MeasuredRows): Generator<string> {
  const { rows, turns } = measured;
  const asked = new Map<number, WrittenTurn[]>();
  for (const turn of turns) asked.set(turn.row, [...(asked.get(turn.row) ?? []), turn]);
  let lines: string[] = [];
  for (const row of rows.keys()) {
    for (const turn of asked.get(row) ?? [undefined]) lines.push(`${JSON.stringify(lineOf(measured, row, turn))}\n`);
    if (lines.length < ROWS_AT_ONCE) continue;
    yield lines.join('');
    lines = [];
  }
  yield lines.join('');
}

function lineOf({ rows, places, rowLosses, textOf }: MeasuredRows, row: number, turn: WrittenTurn | undefined): object {
  return {
    where: places[row],
    ...(textOf && { text: textOf(row) }),
    // Of the whole row, however many turns it has.
    ...(rowLosses && { loss: Number(rowLosses[row]!.toPrecision(7)), learned_tokens: labelCount(rows[row]!) }),
    ...(turn && {
      turn: turn.turn + 1,
      prompt: turn.prompt,
      expected: turn.expected,
      prediction: turn.prediction,
      finish_reason: turn.finishReason,
      tokens: turn.tokens,
      ...(turn.calls && { tool_calls: turn.calls }),
    }),
  };
}
