/** Quotes names of tables and columns of the catalogue for SQL. */
import pg from 'pg';
import { ProgramError } from '../../sql/program-error.ts';

const NAME = /^[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]{0,62}$/;

/** Quotes one name. The catalogue writes it without quotes, so it becomes lower case as in SQL. Throws ProgramError. */
export function quoteName(name: string): string {
  if (!NAME.test(name)) throw new ProgramError(`"${name}" is not a name of a table or column`);
  return pg.escapeIdentifier(name.toLowerCase());
}

/** `table` or `schema.table`. */
export function quoteTable(table: string): string {
  const parts = table.split('.');
  if (parts.length > 2) throw new ProgramError(`"${table}" is not written as table or schema.table`);
  return parts.map(quoteName).join('.');
}
