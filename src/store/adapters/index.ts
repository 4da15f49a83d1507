/**
 * store/adapters — what partial methods save, and what binds it to its base. Imports methods, files, errors.
 * Invariant: an adapter never opens half: every tensor is named, and an unknown kind is refused.
 */
export {
  ADAPTER_CONFIG,
  type Adapter,
  expectNamedBase,
  plainForm,
  readAdapter,
  readModelNotes,
  type SavedAdapter,
  writeAdapter,
} from './adapterFolder.node.ts';
export { type HubSaved, hasHubPlaces, nameHubBase, writeHubFolder } from './adapterHub/folder.node.ts';
export {
  type BaseIdentity,
  configHash,
  expectBase,
  hash,
  MANIFEST,
  type Manifest,
  type ModelNotes,
} from './manifest.ts';
export { writeMlxFolder } from './mlx/folder.node.ts';
export { otherForms } from './otherForms.ts';
export { writePeftFolder } from './peft/folder.node.ts';
export { hasPeftForm, type PeftConfig } from './peft/forms.ts';
