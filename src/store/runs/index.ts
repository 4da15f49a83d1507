/**
 * store/runs — run folders and the models in them. Imports files, errors.
 * Invariant: what is written appears whole or not at all, and never over another run.
 */

export { releaseLockOf } from './lock.node.ts';
export {
  createRunFolder,
  type RunFolder,
  type RunRecord,
  type RunStatus,
  readRun,
  refuseUsedFolder,
  reopenRunFolder,
} from './runFolder.node.ts';
export { readLog } from './runLog.node.ts';
export { copyTokenizer, type SavedModel, writeModel, writeTexts } from './saveModel.node.ts';
export { openScratchFile, type ScratchFile } from './scratchFile.node.ts';
export { bytesBelow, freeBytes, refuseFullDisk } from './space.node.ts';
