/**
 * data on Node — files of the disk as sources for `data`.
 * Imports: errors, data, node. It never looks into a file: it finds and opens them.
 */
export { expandPaths } from './expandPaths.node.ts';
export { openTextFile } from './openTextFile.node.ts';
