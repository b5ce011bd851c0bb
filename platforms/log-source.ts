/** The output of one attempt, given out in pieces to the one that stores it: nothing of it is held in memory twice. */

export interface LogSlice {
  /** Bytes that the attempt wrote before these, given out or left out. */
  readonly offset: number;
  readonly data: Buffer;
}

export interface LogSource {
  /** The next bytes, about `limit` of them at most; the same ones until `taken` is called. Undefined: there are none now. */
  next(limit: number): LogSlice | undefined;
  /** What `next` gave is stored, or will never be. */
  taken(): void;
  /** All bytes that the attempt wrote, stored or not; undefined while it may write more. */
  readonly bytes: number | undefined;
  /** All was given out and taken, and nothing more comes. */
  readonly done: boolean;
  /** Nothing more will be asked for. */
  close(): void;
}
