/**
 * SentencePiece BPE (`llama` in .gguf files): spaces are written ▁, the pair with the best score is merged first, and
 * what has no piece falls back to its bytes.
 */
import { unsupported } from '../model/facts.ts';
import { idsByPiece, kinds, type Vocabulary } from './vocabulary.ts';

const SPACE = '▁';

export function sentencePiece(vocabulary: Vocabulary) {
  const { where, pieces, kinds: kindOf, scores, flag, id } = vocabulary;
  if (!scores) throw unsupported(`${where} 'tokenizer.ggml.scores'`, 'it is missing', 'convert the model again');
  const unknown = id('unknown') ?? kindOf.indexOf(kinds.unknown);
  const spaced = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };
  return {
    addsBos: true,
    normalizer:
      flag('add_space_prefix') === false
        ? spaced
        : { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: SPACE }, spaced] },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(flag('add_space_prefix') === false ? [] : [{ type: 'Strip', content: ' ', start: 1, stop: 0 }]),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: pieces[unknown] ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: idsByPiece(pieces),
      merges: mergesByScore(vocabulary, scores),
    },
  };
}

/** Every way to make a piece of two others, best piece first: what SentencePiece does, as a list of merges. */
function mergesByScore({ pieces, kinds: kindOf }: Vocabulary, scores: readonly number[]): [string, string][] {
  const merged = (kind: number): boolean => kind === kinds.normal || kind === kinds.unused;
  const ids = new Map(pieces.flatMap((piece, id) => (merged(kindOf[id]!) ? [[piece, id] as const] : [])));
  const best = [...ids].sort(([, a], [, b]) => scores[b]! - scores[a]! || a - b);
  return best.flatMap(([piece]) => {
    const ways: [string, string][] = [];
    for (let at = 1; at < piece.length && piece.length <= LONGEST; at++) {
      const [left, right] = [piece.slice(0, at), piece.slice(at)];
      if (ids.has(left) && ids.has(right)) ways.push([left, right]);
    }
    return ways;
  });
}

/** Longer pieces than any tokenizer's: the ways to make one grow with the square of its length. */
const LONGEST = 512;
