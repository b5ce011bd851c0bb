/** A process: its id is used again, the pair with the start time is not. */
export interface ProcessRef {
  readonly pid: number;
  readonly identity: string;
}
type Release = () => Promise<void>;
export function processIdentity(pid: number): string | undefined;
export function tryLock(
  file: string,
): Promise<{ release: Release; holder?: undefined } | { release?: undefined; holder: ProcessRef }>;
export function lock(file: string, onWait?: (holder: ProcessRef) => void): Promise<Release>;
