/**
 * recipes/report — report.html and predictions.jsonl of a run, as texts. Imports data, evaluation, errors, yaml.
 * Invariant: pure functions; a page needs nothing outside itself, and every text in it is escaped.
 */
import { comparison } from './comparison.ts';
import { confusion } from './confusion.ts';
import { curves } from './curves.ts';
import { dataFacts, runFacts } from './facts.ts';
import { guarded } from './guarded.ts';
import { headline, lastPart } from './headline.ts';
import { type Html, html } from './html.ts';
import { languageData, languageHeadline } from './language/headline.ts';
import { sayings } from './language/sayings.ts';
import { mistakes } from './mistakes.ts';
import { framed } from './page.ts';
import type { LanguageReport, ReportInput, RunFacts } from './run.ts';

export { judge } from './judgement.ts';
export { languageLines } from './language/predictions.ts';
export { type AnsweredSplit, predictionLines, predictionRows } from './predictions.ts';
export { previewPage } from './preview.ts';
export type { LanguageFacts, ReportInput, RunFacts } from './run.ts';

export function reportPage(input: ReportInput): string {
  const sections = [headline, comparison, curves, guarded, confusion, mistakes, dataFacts, runFacts];
  return page(
    input.run,
    sections.map((section) => section(input)),
  );
}

/** Of a language model. */
export function languagePage(input: LanguageReport): string {
  const sections = [languageHeadline, sayings, curves, guarded, languageData, runFacts];
  return page(
    input.run,
    sections.map((section) => section(input)),
  );
}

function page(run: Pick<RunFacts, 'recipe' | 'versions'>, sections: readonly (Html | undefined)[]): string {
  const footer = html`<footer>Made by Attune ${run.versions['attune']}. This page holds texts of the data it was measured on.</footer>`;
  return framed({ title: lastPart(run.recipe.output_dir), sections: [...sections, footer] });
}
