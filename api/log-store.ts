export interface LogStore {
  readonly x?: never;
}
