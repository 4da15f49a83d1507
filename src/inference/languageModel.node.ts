/** A language model opened from its folder, or from an adapter and its base: it scores texts. */
import { openRuntime } from '../engine/runtime/openRuntime.node.ts';
import { AttuneError } from '../errors/index.ts';
import { attachMethod, basePrecisionOf } from '../methods/index.ts';
import { buildProgram, type Program, tokenInputs } from '../models/nn/index.ts';
import { type CausalLmOutputs, causalLm } from '../tasks/index.ts';
import type { ParameterMemory } from '../training/index.ts';
import { type Artifact, checkFingerprint } from './classifier.node.ts';
import { loadWeights } from './loadWeights.node.ts';
import { type ModelSource, readModelFolder } from './modelFolder.node.ts';
import type { Scorer } from './scorer.ts';
import { openTokenScorer } from './tokenScorer.ts';

export interface LanguageModel extends AsyncDisposable {
  readonly source: ModelSource;
  readonly program: Program<CausalLmOutputs>;
  readonly memory: ParameterMemory;
  readonly scorer: Scorer;
}

export async function openLanguageModel(
  artifact: Artifact,
  { threads }: { readonly threads: number },
): Promise<LanguageModel> {
  const source = await readModelFolder(artifact.folder);
  const { architecture } = source.description;
  const { adapter: saved } = artifact;
  const methods = saved ? [attachMethod(saved.method, architecture)] : [];
  const basePrecision = saved ? basePrecisionOf(saved.method) : 'fp32';
  const program = buildProgram(causalLm(source.description), { methods, basePrecision, batch: tokenInputs() });
  const adapter = saved && { ...(await saved.open()), where: saved.folder };
  try {
    const { memory, fresh } = await loadWeights(program, { folder: artifact.folder, adapter, architecture });
    if (fresh.length > 0) throw incomplete(artifact.folder, fresh);
    const { open } = await openRuntime();
    const scorer = await openTokenScorer(program, { memory, open, threads });
    await checkFingerprint(artifact, source, scorer);
    return { source, program, memory, scorer, [Symbol.asyncDispose]: () => scorer[Symbol.asyncDispose]() };
  } finally {
    await adapter?.close();
  }
}

function incomplete(folder: string, fresh: readonly string[]): AttuneError {
  return new AttuneError({
    code: 'MODEL_WEIGHTS',
    where: folder,
    problem: `its weights lack ${fresh.join(', ')}`,
    fix: 'give a whole language model, or train one with task: causal-lm',
  });
}
