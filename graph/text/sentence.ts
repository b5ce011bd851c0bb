/** Text for people, in both languages. */
export interface Sentence {
  readonly en: string;
  readonly zh: string;
}

/** Chinese text after a subject: a space between them, but not after a full-width bracket. */
export const afterSubject = (subject: string, rest: string): string =>
  subject.endsWith('）') ? `${subject}${rest}` : `${subject} ${rest}`;
