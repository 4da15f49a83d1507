/** Generated tokens as text that grows: only what later tokens cannot change is given out. */

/** What a decoder writes for bytes that are no whole character. */
const INCOMPLETE = '�';

export interface TextStream {
  /** The text that one more token adds. */
  push(token: number): string;
  /** What was held back, once the text has ended. */
  end(): string;
}

/** Held back are the bytes of a character that is not whole yet, and what may be the beginning of a text to stop at. */
export function openTextStream(decode: (tokens: readonly number[]) => string, stop: readonly string[]): TextStream {
  const tokens: number[] = [];
  let given = 0;
  const giveTo = (text: string, end: number): string => {
    const piece = text.slice(given, Math.max(given, end));
    given += piece.length;
    return piece;
  };
  return {
    push(token) {
      tokens.push(token);
      const text = decode(tokens);
      return giveTo(text, Math.min(cutAt(text, stop) ?? heldFrom(text, stop), wholeUntil(text)));
    },
    end() {
      const text = decode(tokens);
      return giveTo(text, cutAt(text, stop) ?? text.length);
    },
  };
}

/** The text before the first of the texts to stop at. */
export function textBefore(text: string, stop: readonly string[]): string {
  return text.slice(0, cutAt(text, stop) ?? text.length);
}

function cutAt(text: string, stop: readonly string[]): number | undefined {
  const found = stop.map((end) => text.indexOf(end)).filter((at) => at >= 0);
  return found.length > 0 ? Math.min(...found) : undefined;
}

const wholeUntil = (text: string): number => text.replace(new RegExp(`${INCOMPLETE}+$`), '').length;

/** Where the end of the text may be the beginning of a text to stop at. */
function heldFrom(text: string, stop: readonly string[]): number {
  const overlaps = stop.flatMap((end) =>
    Array.from({ length: end.length - 1 }, (_, i) => i + 1).filter((length) => text.endsWith(end.slice(0, length))),
  );
  return text.length - Math.max(0, ...overlaps);
}
