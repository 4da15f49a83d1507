/** Where config.json says that the head is the embedding's matrix, a head of its own in the file would not be read. */
import { AttuneError } from '../errors/index.ts';
import type { Checkpoint } from '../files/index.ts';

interface Twice {
  readonly base: Checkpoint & { readonly where: string };
  readonly embedding: string;
  readonly head: string;
}

/** Throws where the file has another matrix under the head's name than under the embedding's. */
export async function refuseOtherHead({ base, embedding, head }: Twice): Promise<void> {
  const [wanted, found] = [base.shapeOf(embedding), base.shapeOf(head)];
  if (!wanted || !found) return;
  const isSame = wanted.join() === found.join() && (await haveEqualValues(base, [embedding, head]));
  if (isSame) return;
  throw new AttuneError({
    code: 'MODEL_WEIGHTS',
    where: `${base.where} '${head}'`,
    problem: `it differs from '${embedding}', which the head is with \`tie_word_embeddings: true\``,
    fix: `set \`tie_word_embeddings: false\` in config.json if the head is right, or remove ${head} from the file`,
  });
}

/** A matrix of a vocabulary is large: it is read in pieces. */
const PIECE = 1 << 20;

export async function haveEqualValues(base: Checkpoint, names: readonly [string, string]): Promise<boolean> {
  const count = base.shapeOf(names[0])!.reduce((a, b) => a * b, 1);
  const step = base.readSome ? PIECE : count;
  for (let first = 0; first < count; first += step) {
    const read = (name: string): Promise<Float32Array> =>
      base.readSome?.(name, first, new Float32Array(Math.min(step, count - first))) ?? base.readFloats(name);
    const [one, other] = [await read(names[0]), await read(names[1])];
    if (one.some((value, i) => !Object.is(value, other[i]) && value !== other[i])) return false;
  }
  return true;
}
