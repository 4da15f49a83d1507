import type { Declared } from '../schema/declaration.ts';
import { words } from '../schema/takes.ts';
import { chinese } from './chinese.ts';

export type Language = 'english' | 'chinese';

export interface Described {
  readonly key: string;
  readonly declared: Declared;
  /** Whether the value that is written is another than the default. */
  readonly tellsDefault: boolean;
}

/** What a setting does, in words of its declaration: the paragraphs of a comment. */
export function commentOf(described: Described, language: Language): readonly string[] {
  const { key, declared, tellsDefault } = described;
  const choices = [...new Set(words(declared))];
  const standard = declared.default === undefined ? undefined : String(declared.default);
  if (language === 'chinese') {
    const told = tellsDefault && standard !== undefined ? `默认值：${standard}。` : '';
    const description = inChinese(key, declared.description ?? '');
    return choices.length > 1 ? [description, `可选：${choices.join('、')}。${told}`] : [description + told];
  }
  const told = declared.defaultText ?? standard;
  const offered = choices.length > 1 ? [`One of ${choices.join(', ')}.`] : [];
  const otherwise = tellsDefault && told !== undefined ? [`Default: ${told}.`] : [];
  return [[declared.description ?? '', ...offered, ...otherwise].join(' ')];
}

/** A translation holds for the English it was made from; for any other the English stands. */
export function inChinese(key: string, description: string): string {
  const [english, translated] = chinese[key] ?? [];
  return english !== undefined && description.startsWith(english) ? translated! : description;
}
