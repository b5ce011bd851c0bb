/** A final cause in words, with its remedy (docs/answers.md). */
import type { State } from '../run/status.ts';
import type { Sentence } from '../text/sentence.ts';
import type { Condition } from './condition.ts';
import type { Remedy } from './remedies.ts';

export interface Cause extends Omit<Condition, 'since'> {
  /** null = the whole run. */
  readonly flow: string | null;
  /** The run in which the cause is: the one that was asked about, or one that it waits for. */
  readonly run: string;
  readonly since: number | null;
  readonly names: Sentence | null;
  readonly state: State | null;
  readonly key: boolean;
  readonly owner: string | null;
  /** Ids from the flow that was asked about to the cause, both included. */
  readonly chain: readonly string[];
  readonly blocks: number;
  /** When the cause is a loop: the flows of a shortest way round, upstream first. */
  readonly members: readonly string[];
  readonly remedy: Remedy;
  readonly text: Sentence;
}
