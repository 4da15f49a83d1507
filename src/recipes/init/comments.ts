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

/** What a setting does, in words of its declaration. */
export function commentOf({ key, declared, tellsDefault }: Described, language: Language): string {
  const choices = [...new Set(words(declared))];
  const standard = declared.default === undefined ? undefined : String(declared.default);
  if (language === 'chinese') {
    return [
      inChinese(key, declared.description ?? ''),
      ...(choices.length > 1 ? [`可选：${choices.join('、')}。`] : []),
      ...(tellsDefault && standard !== undefined ? [`默认值：${standard}。`] : []),
    ].join('');
  }
  const told = declared.defaultText ?? standard;
  return [
    declared.description ?? '',
    ...(choices.length > 1 ? [`One of ${choices.join(', ')}.`] : []),
    ...(tellsDefault && told !== undefined ? [`Default: ${told}.`] : []),
  ].join(' ');
}

/** A translation holds for the English it was made from; for any other the English stands. */
export function inChinese(key: string, description: string): string {
  const [english, translated] = chinese[key] ?? [];
  return english !== undefined && description.startsWith(english) ? translated! : description;
}
