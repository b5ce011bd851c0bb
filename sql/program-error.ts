/**
 * A failure that lies in the program or its definition, found by us and not by the database.
 * It ends an attempt with kind `program`; it never reaches a user as an exception (that is SluiceError).
 */
export class ProgramError extends Error {
  override name = 'ProgramError';
}
