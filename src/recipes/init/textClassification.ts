import { classificationLines } from './classification.ts';
import type { Template } from './template.ts';

export const textClassification: Template = {
  name: 'text-classification',
  summary: 'texts into classes: support tickets with three labels',
  language: 'english',
  opening: ({ recipe, data, run }) => [
    'Support tickets are sorted into account, billing and technical.',
    '',
    `  npx attune data check --recipe ${recipe}`,
    `  npx attune train ${recipe}`,
    `  npx attune predict ${run} "I was charged twice this month"`,
    '',
    `The 24 rows of ${data} show the form and train at once. Put your own there: jsonl, json, csv or tsv, some ` +
      'hundred rows of each label for a model to rely on.',
    '',
    'Lines such as "#max_length: 128" are settings to take up: remove the #. All settings are in ' +
      "docs/reference/recipe.md of Attune's repository.",
  ],
  lines: (paths) =>
    classificationLines({
      paths,
      notes: {
        model: [],
        epochs: ['So few rows need many epochs; for a thousand, 3 are plenty.'],
        best: ['On six rows of validation the accuracy is too coarse to choose by.'],
      },
      columns: { text: 'text', label: 'label' },
      findsColumns: true,
      epochs: 20,
    }),
  rows: [
    { text: 'I was charged twice for my subscription this month.', label: 'billing' },
    { text: 'The app crashes every time I open the settings page.', label: 'technical' },
    { text: 'I forgot my password and the reset mail never arrives.', label: 'account' },
    { text: 'Please send me an invoice with our VAT number on it.', label: 'billing' },
    { text: 'Uploading a file larger than 20 MB fails with error 500.', label: 'technical' },
    { text: 'How do I change the email address I log in with?', label: 'account' },
    { text: 'My card was declined although there is enough money on it.', label: 'billing' },
    { text: 'Search returns nothing since the last update.', label: 'technical' },
    { text: 'Please delete my profile and all my personal data.', label: 'account' },
    { text: 'When will I get the refund for the order I cancelled?', label: 'billing' },
    { text: 'The dashboard loads for minutes and then shows a blank page.', label: 'technical' },
    { text: 'I cannot sign in, it says my user name does not exist.', label: 'account' },
    { text: 'The price on the receipt is higher than the one on your website.', label: 'billing' },
    { text: 'Notifications stopped working on my Android phone.', label: 'technical' },
    { text: 'Can I merge my two profiles into one login?', label: 'account' },
    { text: 'Can we pay yearly by bank transfer instead of by credit card?', label: 'billing' },
    { text: 'The export button does nothing when I click it in Firefox.', label: 'technical' },
    { text: 'Someone else logged in as me, please lock my profile.', label: 'account' },
    { text: 'Why does the bill for May include a fee for extra seats?', label: 'billing' },
    { text: 'The API answers with a timeout for every second request.', label: 'technical' },
    { text: 'I have a new phone and lost the codes for two-factor login.', label: 'account' },
    { text: 'The discount code was not taken off the amount I paid.', label: 'billing' },
    { text: 'Images in the editor are shown upside down after saving.', label: 'technical' },
    { text: 'How can I add a colleague as a second user with admin rights?', label: 'account' },
  ],
};
