/** Layers: functions that declare parameters at a place, and the sites that methods wrap. */
import type { Tensor } from '../../engine/graph/index.ts';
import * as ops from '../../engine/ops/index.ts';
import { exactWeight } from './exactWeight.ts';
import type { SublayerSite } from './method.ts';
import type { GradientPromise, Initial } from './parameter.ts';
import type { Scope } from './scope.ts';

interface LinearOptions {
  readonly out: number;
  readonly bias?: boolean;
  readonly fresh?: Initial;
  readonly head?: boolean;
  /** It scores the tokens of the vocabulary: a layer that methods leave alone unless they are given its name. */
  readonly vocabulary?: boolean;
  /** The checkpoint keeps the matrix as [in, out]. */
  readonly transposed?: boolean;
  /** Of the bias; left out: always. */
  readonly biasGradient?: GradientPromise;
}

/** y = x·Wᵀ + b. Site `linear`. */
export function linear(scope: Scope, x: Tensor, options: LinearOptions): Tensor {
  const { out, bias = true, fresh, head = false, vocabulary = false, transposed = false, biasGradient } = options;
  const kept = { fresh, head, packable: !vocabulary, transposed };
  const weight = scope.weight('weight', [out, x.shape.at(-1) as number], kept);
  const offset = bias
    ? scope.weight('bias', [out], { fresh: fresh && 'zeros', head, gradient: biasGradient })
    : undefined;
  // What starts fresh reads a summary of the text, which is one row: nothing to gain.
  const product = !fresh && !vocabulary && scope.isRounded('weight') ? ops.switchBackLinear : ops.linear;
  const packable = !vocabulary && !head;
  const place = { name: scope.at('weight').path, shape: weight.shape as [number, number], transposed, packable };
  const site = { ...scope.site(), x, weight, bias: offset, head, vocabulary, exact: exactWeight(scope.build, place) };
  scope.noteLinear(site, transposed);
  return scope.around(
    (method) => method.linear,
    'x',
    site,
    (input) => product(input, weight, offset),
  );
}

interface Table {
  readonly rows: number;
  readonly width: number;
}

export const embedding = (scope: Scope, ids: Tensor, { rows, width }: Table): Tensor =>
  ops.gather(scope.weight('weight', [rows, width]), ids);

const vocabularyTable = (scope: Scope, { rows, width }: Table): Tensor =>
  scope.weight('weight', [rows, width], { table: true });

interface Vocabulary {
  readonly rows: number;
  /** The embedding whose matrix this is; undefined: `lm_head` has its own. */
  readonly tiedTo: string | undefined;
}

export interface TokenScores {
  /** [..., rows] */
  readonly scores: Tensor;
  /** Where they are nothing but products of x with these rows; undefined where a method adds to them. */
  readonly matrix?: Tensor | undefined;
}

/** Scores of every token, at the root of a model. */
export function tokenScores(root: Scope, x: Tensor, { rows, tiedTo }: Vocabulary): TokenScores {
  if (tiedTo !== undefined) root.build.tied.add(`${root.at(tiedTo).path}.weight`);
  const scores =
    tiedTo === undefined
      ? linear(root.at('lm_head'), x, { out: rows, bias: false, vocabulary: true })
      : ops.linear(x, vocabularyTable(root.at(tiedTo), { rows, width: x.shape.at(-1) as number }));
  const [read, weight] = scores.node!.inputs;
  const isProduct = read === x && scores.node!.operation === ops.operations.linear;
  return { scores, matrix: isProduct ? weight : undefined };
}

interface TextTable extends Table {
  /** What the rows are multiplied by; left out: 1. What a method puts among them is not. */
  readonly scale?: number;
}

/** The embedding of the text itself. Site `tokens`. */
export function tokens(scope: Scope, inputIds: Tensor, { scale = 1, ...table }: TextTable): Tensor {
  const values = vocabularyTable(scope, table);
  const site = { ...scope.site(), inputIds, table: values, width: table.width, scale };
  scope.noteTokens(site);
  return scope.around(
    (method) => method.tokens,
    'inputIds',
    site,
    (ids) => (scale === 1 ? ops.gather(values, ids) : ops.mul(ops.gather(values, ids), scale)),
  );
}

export function layerNorm(scope: Scope, x: Tensor, { eps }: { eps: number }): Tensor {
  const shape = [x.shape.at(-1) as number];
  return ops.layerNorm(x, { weight: scope.weight('weight', shape), bias: scope.weight('bias', shape), eps });
}

export const rmsNorm = (scope: Scope, x: Tensor, { eps }: { eps: number }): Tensor =>
  ops.rmsNorm(x, { weight: scope.weight('weight', [x.shape.at(-1) as number]), eps });

/** The same with a gain of 1 + weight, as Gemma keeps it. */
export const offsetRmsNorm = (scope: Scope, x: Tensor, { eps }: { eps: number }): Tensor =>
  ops.rmsNorm(x, { weight: ops.add(scope.weight('weight', [x.shape.at(-1) as number]), 1), eps });

interface Joining {
  readonly sublayer: SublayerSite['sublayer'];
  readonly residual: Tensor;
  readonly norm?: (x: Tensor) => Tensor;
}

/** norm(residual + y): where a sublayer ends. Pre-norm models have no norm here. Site `sublayerOutput`. */
export function joinResidual(scope: Scope, y: Tensor, { sublayer, residual, norm = (x) => x }: Joining): Tensor {
  const site = { ...scope.site(), sublayer, y, residual, norm };
  const joined = scope.around<SublayerSite, Tensor>(
    (method) => method.sublayerOutput,
    'y',
    site,
    (output) => norm(ops.add(output, residual)),
  );
  // A block begins with attention over what it reads, and ends with its feed-forward layer.
  scope.build.boundaries.add(sublayer === 'attention' ? residual : joined);
  return joined;
}
