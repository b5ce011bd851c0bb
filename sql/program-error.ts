/**
 * An error in a program or its definition that Sluice finds, not the database. It ends an attempt with kind `program`.
 * Errors that reach a user are SluiceErrors.
 */
export class ProgramError extends Error {
  override name = 'ProgramError';
  /** The place in the program's text, when the error has one. */
  readonly place: { readonly line: number; readonly column: number } | null;

  constructor(message: string, place: ProgramError['place'] = null) {
    super(message);
    this.place = place;
  }
}
