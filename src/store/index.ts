/**
 * store — runs, models and adapters on disk, and the downloads that bring models here.
 * Imports: errors, files. It never executes or unpickles anything that came with a model: it reads data files only.
 */

export { type FetchProgress, fetchModel, type LocalModel, lastingReference } from './models/index.ts';
export { sha256OfFile } from './models/sha256.node.ts';
