/**
 * store/checkpoints — states of a run on disk, by step. Imports store/runs, errors.
 * Invariant: it knows files and whether they are whole, and nothing of what is in them.
 */
export {
  CHECKPOINTS,
  type CheckpointContent,
  cleanCheckpoints,
  type Damaged,
  type Found,
  findCheckpoints,
  LINKED,
  pruneCheckpoints,
  type StoredCheckpoint,
  writeCheckpoint,
} from './checkpointFolder.node.ts';
export { holds, linkFolder } from './linkFolder.node.ts';
export type { FileFacts } from './manifest.node.ts';
