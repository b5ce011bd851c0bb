/**
 * What attempts wrote: files behind an interface, never in PostgreSQL (design 4). Of each attempt the first 4 MiB and the last 4 to
 * 6 MiB are kept, what lies between is left out. A text is known by its offset in bytes, so a repeated one changes nothing.
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Ids as the record has them, never as somebody typed them. */
export interface LogPlace {
  readonly run: string;
  readonly flow: string;
  readonly epoch: number;
}

export interface LogPart {
  /** Offset of the first byte; later than asked when something was left out. */
  readonly from: number;
  readonly data: Buffer;
  /** Where to go on. */
  readonly next: number;
}

export interface LogStore {
  append(place: LogPlace, offset: number, text: string): Promise<void>;
  /** Bytes from `from` on, at most 256 KiB; empty at the end. */
  read(place: LogPlace, from: number): Promise<LogPart>;
  /** Everything that attempts of the run wrote: it went into the archive, logs do not. */
  forget(run: string): Promise<void>;
}

export interface LogLimits {
  /** Bytes at the beginning that are kept. */
  readonly head: number;
  /** The rest is written in segments of this size, of which the last three are kept. */
  readonly segment: number;
}

const LIMITS: LogLimits = { head: 4 * 1024 * 1024, segment: 2 * 1024 * 1024 };
const KEPT_SEGMENTS = 3;
const PART = 256 * 1024;
/** Attempts whose segments are remembered. */
const REMEMBERED = 1_000;

/** A file `<epoch>.<offset of its first byte>` of the attempt's folder. */
interface Segment {
  readonly start: number;
  size: number;
}

export function fileLogStore(folder: string, limits: LogLimits = LIMITS): LogStore {
  const known = new Map<number, Promise<Segment[]>>();
  const writing = new Map<number, Promise<void>>();

  function segmentsOf(place: LogPlace): Promise<Segment[]> {
    let segments = known.get(place.epoch);
    if (segments === undefined) {
      segments = listSegments(folderOf(folder, place), place.epoch);
      segments.catch(() => known.delete(place.epoch));
      if (known.size >= REMEMBERED) known.delete(known.keys().next().value!);
      known.set(place.epoch, segments);
    }
    return segments;
  }

  async function write(place: LogPlace, offset: number, text: string): Promise<void> {
    const segments = await segmentsOf(place);
    let data = Buffer.from(text);
    let at = offset;
    const end = endOf(segments);
    if (at < end) {
      data = data.subarray(end - at);
      at = end;
    }
    while (data.length > 0) {
      let segment = segments.at(-1);
      if (segment === undefined || segment.start + segment.size !== at || roomOf(segment, limits) === 0) {
        if (segments.length === 0) await mkdir(folderOf(folder, place), { recursive: true, mode: 0o700 });
        segment = { start: at, size: 0 };
        segments.push(segment);
      }
      const piece = data.subarray(0, roomOf(segment, limits));
      await writeAt(fileOf(folder, place, segment), piece, at - segment.start);
      segment.size += piece.length;
      at += piece.length;
      data = data.subarray(piece.length);
      await dropMiddle(place, segments);
    }
  }

  async function dropMiddle(place: LogPlace, segments: Segment[]): Promise<void> {
    const tail = segments.filter((segment) => segment.start >= limits.head);
    for (const old of tail.slice(0, Math.max(0, tail.length - KEPT_SEGMENTS))) {
      segments.splice(segments.indexOf(old), 1);
      await unlink(fileOf(folder, place, old)).catch(() => {});
    }
  }

  return {
    append(place, offset, text) {
      // One after the other per attempt: a repeated call may arrive while the first one still writes.
      const before = writing.get(place.epoch) ?? Promise.resolve();
      const next = before
        .catch(() => {})
        .then(() => write(place, offset, text))
        .catch((error) => {
          // What was written is not known any more: look at the files the next time.
          known.delete(place.epoch);
          throw error;
        });
      writing.set(place.epoch, next);
      const done = (): void => {
        if (writing.get(place.epoch) === next) writing.delete(place.epoch);
      };
      next.then(done, done);
      return next;
    },

    async read(place, from) {
      // Another API may be writing: the files say what there is.
      const segments = await listSegments(folderOf(folder, place), place.epoch);
      const segment = segments.find(({ start, size }) => start + size > from);
      if (segment === undefined) return { from, data: Buffer.alloc(0), next: from };
      const begin = Math.max(from, segment.start);
      const length = Math.min(PART, segment.start + segment.size - begin);
      const file = await open(fileOf(folder, place, segment), 'r');
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, begin - segment.start);
        return { from: begin, data: buffer.subarray(0, bytesRead), next: begin + bytesRead };
      } finally {
        await file.close();
      }
    },

    async forget(run) {
      await rm(join(folder, safe(run)), { recursive: true, force: true });
    },
  };
}

/**
 * At its place, never at the end of the file: an agent that loses its API sends a chunk again to another one, which may not know yet that
 * the first has written it.
 */
async function writeAt(path: string, piece: Buffer, position: number): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    for (let done = 0; done < piece.length; )
      done += (await file.write(piece, done, piece.length - done, position + done)).bytesWritten;
  } finally {
    await file.close();
  }
}

const endOf = (segments: readonly Segment[]): number => {
  const last = segments.at(-1);
  return last === undefined ? 0 : last.start + last.size;
};

function roomOf({ start, size }: Segment, { head, segment }: LogLimits): number {
  return (start < head ? head - start : segment) - size;
}

/** Ids hold only letters, digits and `_ . -`; whatever else came in must not leave the folder. */
const safe = (id: string): string => encodeURIComponent(id).replace(/^\.+/, '_').slice(0, 200);

const folderOf = (folder: string, { run, flow }: LogPlace): string => join(folder, safe(run), safe(flow));

const fileOf = (folder: string, place: LogPlace, segment: Segment): string =>
  join(folderOf(folder, place), `${place.epoch}.${segment.start}`);

async function listSegments(path: string, epoch: number): Promise<Segment[]> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const segments: Segment[] = [];
  for (const name of names) {
    const match = /^(\d+)\.(\d+)$/.exec(name);
    if (match === null || Number(match[1]) !== epoch) continue;
    // Left out meanwhile by its writer.
    const found = await stat(join(path, name)).catch(() => null);
    if (found !== null) segments.push({ start: Number(match[2]), size: found.size });
  }
  return segments.sort((a, b) => a.start - b.start);
}
