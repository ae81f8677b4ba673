import { Injectable } from '@nestjs/common';

export interface Completion {
  readonly text: string;
  /** Tokens of the prompt and the text together: what the answer is paid by. */
  readonly tokensUsed: number;
}

const USUAL_WORDS = 20;
const MOST_WORDS = 400;

/** For the demonstration only: writes as many words as the first number in the prompt says. A token is a word. */
@Injectable()
export class LanguageModel {
  async complete(prompt: string): Promise<Completion> {
    const asked = Number(/\d+/.exec(prompt)?.[0] ?? USUAL_WORDS);
    const words = Array.from({ length: Math.min(asked, MOST_WORDS) }, () => 'word');
    return { text: words.join(' '), tokensUsed: tokensOf(prompt) + words.length };
  }
}

export function tokensOf(prompt: string): number {
  return prompt.split(/\s+/).filter((word) => word !== '').length;
}
