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
    out.object({ text: value.text, finish_reason: value.finishReason, tokens: value.tokens });
    return value;
  }
}
