import { classificationLines } from './classification.ts';
import type { Template } from './template.ts';

export const sentencePairs: Template = {
  name: 'sentence-pairs',
  summary: 'pairs of sentences: does the premise entail the hypothesis?',
  language: 'english',
  opening: ({ recipe, data, run }) => [
    'Does the second sentence follow from the first: entailment, contradiction, or neutral?',
    '',
    `  npx attune data check --recipe ${recipe}`,
    `  npx attune train ${recipe}`,
    `  npx attune predict ${run} --input ${data}`,
    '',
    `The 24 rows of ${data} only show the form: on new pairs, a model that has seen no others stays at chance. Put ` +
      'thousands of your own there, or a public set such as MNLI. The same recipe serves for other questions about ' +
      'two texts: same meaning or not, answers the question or not.',
    '',
    'Lines such as "#max_length: 128" are settings to take up: remove the #. All settings are in ' +
      "docs/reference/recipe.md of Attune's repository.",
  ],
  lines: (paths) =>
    classificationLines({
      paths,
      notes: {
        model: [],
        epochs: ['So few rows need many epochs; for some thousand, 3 are plenty.'],
        best: ['On six rows of validation the accuracy is too coarse to choose by.'],
      },
      columns: { text: 'premise', pair: 'hypothesis', label: 'label' },
      findsColumns: false,
      epochs: 10,
    }),
  rows: [
    ...judged('A woman is playing the violin on a crowded street.', {
      entailment: 'Someone is making music outdoors.',
      contradiction: 'The street is empty.',
      neutral: 'The woman earns her living with music.',
    }),
    ...judged('The meeting was moved from Monday to Wednesday.', {
      entailment: 'The meeting takes place later than planned.',
      contradiction: 'The meeting was cancelled.',
      neutral: 'The manager was ill on Monday.',
    }),
    ...judged('Two boys in red shirts are running across the beach.', {
      entailment: 'There are children near the sea.',
      contradiction: 'The boys are asleep in the sand.',
      neutral: 'The boys are brothers.',
    }),
    ...judged('The library closes at six on weekdays and stays shut on Sundays.', {
      entailment: 'Nobody can visit the library on Sunday.',
      contradiction: 'The library is open until midnight on Tuesday.',
      neutral: 'The library is the oldest building in town.',
    }),
    ...judged('None of the apartments on the third floor has been sold yet.', {
      entailment: 'Every apartment on the third floor can still be bought.',
      contradiction: 'The apartments on the third floor are all sold.',
      neutral: 'The apartments on the third floor are the most expensive ones.',
    }),
    ...judged('The chef added more salt because the soup tasted bland.', {
      entailment: 'The soup got saltier.',
      contradiction: 'The chef thought that the soup was too salty.',
      neutral: 'The soup was made of tomatoes.',
    }),
    ...judged('An old man is reading a newspaper on a bench in the park.', {
      entailment: 'A man is sitting outside.',
      contradiction: 'The man is standing in a kitchen.',
      neutral: 'The man is waiting for his wife.',
    }),
    ...judged('Our flight to Oslo was delayed by three hours due to snow.', {
      entailment: 'We did not leave on time.',
      contradiction: 'The plane took off early.',
      neutral: 'We were in Oslo for the first time.',
    }),
  ],
};

type Judgement = 'entailment' | 'contradiction' | 'neutral';

function judged(premise: string, hypotheses: Readonly<Record<Judgement, string>>) {
  return Object.entries(hypotheses).map(([label, hypothesis]) => ({ premise, hypothesis, label }));
}
