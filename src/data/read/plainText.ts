/** Plain text: a row is what stands between blank lines, so that a file is not one row and a verse not four. */
import { type Format, row } from '../row.ts';

export const plainText: Format = async function* (lines, name) {
  let paragraph: string[] = [];
  let start = 1;
  for await (const { text, number } of lines) {
    if (text.trim() !== '') {
      if (paragraph.length === 0) start = number;
      paragraph.push(text);
    } else if (paragraph.length > 0) {
      yield row({ text: paragraph.join('\n') }, name, start);
      paragraph = [];
    }
  }
  if (paragraph.length > 0) yield row({ text: paragraph.join('\n') }, name, start);
};
