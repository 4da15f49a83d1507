/**
 * store/runs — run folders and the models in them. Imports files, errors.
 * Invariant: what is written appears whole or not at all, and never over another run.
 */
export {
  createRunFolder,
  type RunFolder,
  type RunRecord,
  type RunStatus,
  readLog,
  readRun,
  refuseUsedFolder,
} from './runFolder.node.ts';
export { copyTokenizer, type SavedModel, writeModel } from './saveModel.node.ts';
export { openScratchFile, type ScratchFile } from './scratchFile.node.ts';
