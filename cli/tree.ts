/** What the modules of `commands/` share: the tree that they add commands to, and the parsing of numbers. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Session } from './session.ts';
import type { Help } from './text/help.ts';

/** What a module needs to add its commands. */
export interface Tree {
  readonly root: Command;
  readonly help: Help;
  readonly version: string;
  /** Makes an action of commander from one of ours, which returns an exit code; undefined means 0. */
  does<Options>(
    action: (session: Session, args: string[], options: Options) => Promise<number | undefined>,
  ): (...given: unknown[]) => Promise<void>;
}

/** Parses a whole number of at least `least`. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < least)
      throw new InvalidArgumentError(`a whole number, at least ${least}`);
    return number;
  };

/** Parses `--timeout SECONDS`; returns milliseconds. */
export function seconds(text: string): number {
  const number = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || number <= 0) throw new InvalidArgumentError('seconds, more than 0');
  return Math.round(number * 1_000);
}
