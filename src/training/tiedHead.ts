/** Where config.json says that the head is the embedding's matrix, a head of its own in the file would not be read. */
import { AttuneError } from '../errors/index.ts';
import { type Checkpoint, haveEqualValues } from '../files/index.ts';

interface Twice {
  readonly base: Checkpoint & { readonly where: string };
  readonly embedding: string;
  readonly head: string;
}

/** Throws where the file has another matrix under the head's name than under the embedding's. */
export async function refuseOtherHead({ base, embedding, head }: Twice): Promise<void> {
  if (!base.shapeOf(embedding) || !base.shapeOf(head)) return;
  if (await haveEqualValues({ checkpoint: base, name: embedding }, { checkpoint: base, name: head })) return;
  throw new AttuneError({
    code: 'MODEL_WEIGHTS',
    where: `${base.where} '${head}'`,
    problem: `it differs from '${embedding}', which the head is with \`tie_word_embeddings: true\``,
    fix: `set \`tie_word_embeddings: false\` in config.json if the head is right, or remove ${head} from the file`,
  });
}
