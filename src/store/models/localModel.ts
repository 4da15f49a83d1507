import { atRevision, nameAndRevision } from './reference.ts';

export interface LocalModel {
  /** As the user wrote it. */
  readonly reference: string;
  /** The folder that holds the model's files, or the .gguf file when the reference was one. */
  readonly path: string;
  /** Size of the files that make the model. */
  readonly bytes: number;
  readonly source: 'folder' | 'hub' | 'pypi';
  /** The commit on the hub, or the version of the package. */
  readonly revision?: string;
  /** Hub id where known, else the folder. */
  readonly name: string;
}

/** What fetches the very model again: its name, with the revision that was asked for. */
export function lastingReference({ source, name, reference }: LocalModel): string {
  return source === 'folder' ? name : atRevision(name, nameAndRevision(reference).revision);
}

export interface FetchProgress {
  readonly file: string;
  /** Bytes of this file that are here. */
  readonly received: number;
  readonly total?: number;
}

/** Environment variables: the way that users of Hugging Face and pip set endpoints, caches and tokens. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What every step of a fetch is given. */
export interface FetchContext {
  readonly environment: Environment;
  readonly onProgress?: (progress: FetchProgress) => void;
  readonly signal?: AbortSignal;
}

export interface FetchModelOptions extends Partial<FetchContext> {
  /** Branch, tag or commit of the hub; version of a package. */
  readonly revision?: string;
}
