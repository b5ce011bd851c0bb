/** The output of one attempt, which is given out in pieces to be stored, so that it is not in memory as a whole. */

export interface LogSlice {
  /** Number of bytes that the attempt wrote before these, given out or left out. */
  readonly offset: number;
  readonly data: Buffer;
}

export interface LogSource {
  /** The next bytes, at most about `limit`. The same bytes until `taken` is called. Undefined: there are none now. */
  next(limit: number): LogSlice | undefined;
  /** The bytes that `next` returned are stored, or will never be. */
  taken(): void;
  /** Number of bytes that the attempt wrote, stored or not; undefined while it may write more. */
  readonly bytes: number | undefined;
  /** Everything was given out and taken, and nothing more comes. */
  readonly done: boolean;
  /** Releases what the source holds. Nothing is called afterwards. */
  close(): void;
}
