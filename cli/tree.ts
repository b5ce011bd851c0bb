/** What the modules of `commands/` share: the tree they hang into, and how numbers are read. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Session } from './session.ts';
import type { Help } from './text/help.ts';

/** What a command module needs to hang its commands into the tree. */
export interface Tree {
  readonly root: Command;
  readonly help: Help;
  readonly version: string;
  /** Makes an action of commander out of one of ours; its number is the exit code, undefined is 0. */
  does<Options>(
    action: (session: Session, args: string[], options: Options) => Promise<number | undefined>,
  ): (...given: unknown[]) => Promise<void>;
}

/** Reads a whole number of at least `least`. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < least)
      throw new InvalidArgumentError(`a whole number, at least ${least}`);
    return number;
  };

/** `--timeout SECONDS` as milliseconds. */
export function seconds(text: string): number {
  const number = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || number <= 0) throw new InvalidArgumentError('seconds, more than 0');
  return Math.round(number * 1_000);
}
