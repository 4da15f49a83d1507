/**
 * data — files to checked examples: read, validate, find the columns, split.
 * Imports: errors, engine (random numbers, tensors of batches).
 * It never drops or repairs a row in silence: a row is used, or there is a problem with its line.
 * On Node, `index.node.ts` finds and opens the files.
 */
export { type ClassCount, classBalance } from './balance.ts';
export { type CheckedExamples, type ClassificationExample, classificationExamples } from './classification.ts';
export type { ClassificationColumns, ColumnWishes } from './columns.ts';
export {
  type Compared,
  comparedText,
  type DuplicateCounts,
  duplicateCounts,
  type Leak,
  leakage,
  nearDuplicateGroups,
} from './duplicates.ts';
export { checkLabels, labelNames } from './labels.ts';
export { type DataProblem, type Problems, throwProblems } from './problems.ts';
export { type CheckedRows, checkRows } from './read/readRows.ts';
export { type TextSource, textSource } from './read/textSource.ts';
export type { Row } from './row.ts';
export { type Split, type SplitOptions, stratifiedSplit } from './stratifiedSplit.ts';
export { readTexts, type TextExample, textExample } from './text/texts.ts';
