import type { Prediction } from '../../inference/classifier.node.ts';
import type { RowInput } from '../../inference/manyAdapters/classifiers.node.ts';
import type { AdaptedModel, Conversation, GenerateByAdapter, WrittenText } from './adaptedModel.ts';
import type { SharingAdapter } from './read.node.ts';

/** A text to go on from, or a conversation to answer. */
export interface OwnedPrompt {
  readonly asked: string | Conversation;
  /** Undefined: the base itself. */
  readonly adapter: string | undefined;
}

/** What models that choose labels and models that write texts do each in their way. */
export interface Answering extends AsyncDisposable {
  readonly kind: AdaptedModel['kind'];
  readonly names: readonly string[];
  add(adapters: ReadonlyMap<string, SharingAdapter>): Promise<void>;
  remove(name: string): void;
  labelsOf(name?: string): readonly string[];
  predict(inputs: readonly RowInput[]): Promise<Prediction[]>;
  write(prompts: readonly OwnedPrompt[], how: Omit<GenerateByAdapter, 'adapter'>): Promise<WrittenText[]>;
}
