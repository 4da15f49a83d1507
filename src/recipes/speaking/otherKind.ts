/** What a model cannot do may be called all the same, so that nobody has to ask its kind first: it throws. */
import { AttuneError } from '../../errors/index.ts';

/** Of a classifier. */
export interface WritesNothing {
  generate(...asked: readonly unknown[]): Promise<never>;
  chat(...asked: readonly unknown[]): Promise<never>;
  stream(...asked: readonly unknown[]): AsyncGenerator<never, never>;
}

export function writesNothing(where: string): WritesNothing {
  const refuse = async (): Promise<never> => {
    const problem = 'it is a classifier: it chooses labels and writes no text';
    throw new AttuneError({ code: 'MODEL_TASK', where, problem, fix: "call predict; `kind` is 'classifier'" });
  };
  return {
    generate: refuse,
    chat: refuse,
    // biome-ignore lint/correctness/useYield: it throws before the first piece.
    async *stream() {
      return await refuse();
    },
  };
}

/** Of a language model. */
export interface ChoosesNoLabel {
  predict(...inputs: readonly unknown[]): Promise<never>;
}

export const choosesNoLabel = (where: string): ChoosesNoLabel => ({
  async predict() {
    const problem = 'it is a language model: it writes text and chooses no label';
    const fix = "call generate, chat or stream; `kind` is 'language-model'";
    throw new AttuneError({ code: 'MODEL_TASK', where, problem, fix });
  },
});
