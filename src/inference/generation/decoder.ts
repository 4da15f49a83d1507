/** A language model that reads tokens and says what may follow. */
import type { OpenSession, Values } from '../../engine/runtime/index.ts';
import type { ModelDescription } from '../../models/index.ts';
import { type BasePrecision, buildProgram, type Method, type OwnForms, tokenInputs } from '../../models/nn/index.ts';
import { nextToken } from '../../tasks/index.ts';
import { type ParameterMemory, packedValues, parameterValues } from '../../training/index.ts';
import { beforeText, inPieces, type Piece, pieceOf } from './before.ts';
import { type Cache, cacheMethod, openCache, type RowFeeds, type Tokens } from './cache.ts';

export interface Decoder extends AsyncDisposable {
  readonly vocabularySize: number;
  /** The most tokens of a text, its prompt included: what a method puts before it has taken its positions. */
  readonly longest: number;
  /** The memory of rows that have read nothing. */
  openCache(rows: number, rowFeeds?: RowFeeds): Cache;
  /**
   * Reads the next tokens of each row, [rows, tokens], and keeps them; with the first of them what a method puts before a
   * text. Scores of what follows the last: [rows, V]
   */
  read(cache: Cache, inputIds: Int32Array, tokens: Tokens): Promise<Float32Array>;
}

export interface DecoderOptions {
  /** Whose weights they are; read at every run, so that a model that is being trained answers as it is now. */
  readonly memory: ParameterMemory;
  readonly methods?: readonly Method[];
  readonly basePrecision?: BasePrecision | undefined;
  /** Those that the memory was made with. */
  readonly ownForms?: OwnForms | undefined;
  /** False: products with weights of 4 bits are exact, as in training. */
  readonly rounds?: boolean;
  readonly open: OpenSession;
  readonly threads: number;
}

export async function openDecoder(description: ModelDescription, options: DecoderOptions): Promise<Decoder> {
  const { memory, methods = [], basePrecision, ownForms, rounds = true, open, threads } = options;
  const cached = cacheMethod();
  const before = beforeText(methods);
  const program = buildProgram(nextToken(description), {
    methods: [...methods.map(inPieces), cached],
    basePrecision,
    ownForms,
    rounds,
    batch: tokenInputs(),
  });
  const outputs = { logits: program.outputs.logits, ...cached.present };
  const session = await open(outputs, { threads, constants: packedValues(memory) });
  const weights = parameterValues(program, memory);
  return {
    vocabularySize: description.config.vocab_size,
    longest: description.config.max_position_embeddings - (before?.positions ?? 0),
    openCache: (rows, rowFeeds) => openCache(cached.present, rows, rowFeeds),
    async read(cache, inputIds, tokens) {
      const piece = pieceOf(before, { cache, inputIds, tokens });
      const results = await session.run({ ...weights, ...cache.feeds(), ...feedsOf(cache.rows, piece) });
      cache.append(results, piece);
      return results.logits!.data as Float32Array;
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

function feedsOf(rows: number, { inputIds, positions, texts }: Piece): Values {
  const shape = [rows, inputIds.length / rows];
  return {
    input_ids: { dtype: 'int32', shape, data: inputIds },
    position_ids: { dtype: 'int32', shape, data: positions },
    attention_mask: { dtype: 'int32', shape, data: texts },
  };
}
