import type { Prediction } from '../../inference/classifier.node.ts';
import type { RowInput } from '../../inference/manyAdapters/classifiers.node.ts';
import type { ChatOptions, GenerateOptions } from '../speaking/loadedModel.node.ts';
import type { Question } from '../speaking/questions.ts';
import type { Answer } from '../speaking/speaker.node.ts';
import type { AdaptedModel } from './adaptedModel.ts';
import type { SharingAdapter } from './read.node.ts';

export interface OwnedQuestion {
  readonly question: Question;
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
  write(questions: readonly OwnedQuestion[], how: GenerateOptions & ChatOptions): Promise<Answer[]>;
}
