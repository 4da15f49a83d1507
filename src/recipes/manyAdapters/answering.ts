import type { Prediction } from '../../inference/classifier.node.ts';
import type { RowInput } from '../../inference/manyAdapters/classifiers.node.ts';
import type { Prompt, Writing, WrittenText } from './adaptedModel.ts';
import type { SharingAdapter } from './read.node.ts';

export interface OwnedPrompt {
  readonly prompt: Prompt;
  /** Undefined: the base itself. */
  readonly adapter: string | undefined;
}

/** What models that choose labels and models that write texts do each in their way. */
export interface Answering extends AsyncDisposable {
  readonly names: readonly string[];
  add(adapters: ReadonlyMap<string, SharingAdapter>): Promise<void>;
  remove(name: string): void;
  labelsOf(name?: string): readonly string[];
  predict(inputs: readonly RowInput[]): Promise<Prediction[]>;
  generate(prompts: readonly OwnedPrompt[], how: Omit<Writing, 'adapter'>): Promise<WrittenText[]>;
}
