import type { Answer } from '../../recipes/speaking/speaker.node.ts';
import type { Console } from '../console.ts';

/** Shows a text as it comes, and for programs the whole of it at its end. */
export async function shown(pieces: AsyncGenerator<string, Answer>, out: Console): Promise<Answer> {
  for (;;) {
    const { done, value } = await pieces.next();
    if (!done) {
      out.part(value);
      continue;
    }
    out.part('\n');
    out.object(objectOf(value));
    return value;
  }
}

/** Shows a text that is whole. */
export function show(answer: Answer, out: Console): void {
  out.part(`${answer.text}\n`);
  out.object(objectOf(answer));
}

const objectOf = ({ text, finishReason, tokens }: Answer): object => ({ text, finish_reason: finishReason, tokens });
