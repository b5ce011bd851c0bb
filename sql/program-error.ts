/**
 * A failure that lies in the program or its definition, found by us and not by the database.
 * It ends an attempt with kind `program`; it never reaches a user as an exception (that is SluiceError).
 */
export class ProgramError extends Error {
  override name = 'ProgramError';
  /** In the program's text, when it is about a place of it. */
  readonly place: { readonly line: number; readonly column: number } | null;

  constructor(message: string, place: ProgramError['place'] = null) {
    super(message);
    this.place = place;
  }
}
