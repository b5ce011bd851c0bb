/**
 * What attempts wrote, byte for byte: files behind an interface, never in PostgreSQL (decision 0019). Of each attempt the first 10 MiB and the
 * last 10 to 12 MiB are kept, in whole lines; what lies between is left out. Bytes have their offset in all that the attempt wrote, so a
 * repeated chunk changes nothing and every gap is known to the byte.
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
  /** Offset at which to continue. */
  readonly next: number;
}

export interface LogStore {
  append(place: LogPlace, offset: number, data: Uint8Array): Promise<void>;
  /** Bytes from `from` on, at most 256 KiB; empty at the end. */
  read(place: LogPlace, from: number): Promise<LogPart>;
  /** Deletes the logs of a run that was archived: the archive holds no logs. */
  forget(run: string): Promise<void>;
  /** Why the last bytes could not be stored; null: they were. */
  trouble(): string | null;
}

export interface LogLimits {
  /** Bytes at the beginning that are kept. */
  readonly head: number;
  /** The rest is written in segments of this size, of which the last three are kept. */
  readonly segment: number;
  /** Head and segments end with a line when one ends in this many of their last bytes; a longer line is cut. */
  readonly line: number;
}

const LIMITS: LogLimits = { head: 10 * 1024 * 1024, segment: 2 * 1024 * 1024, line: 64 * 1024 };
const KEPT_SEGMENTS = 6;
const PART = 256 * 1024;
/** Codes of a full disk or quota. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** Number of attempts whose segments are kept in memory. */
const REMEMBERED = 1_000;

/** A file `<epoch>.<offset of its first byte>` of the attempt's folder. */
interface Segment {
  readonly start: number;
  size: number;
  /** The next byte begins another one. After a restart only one without any room is known to be full. */
  full: boolean;
}

export function fileLogStore(folder: string, limits: LogLimits = LIMITS): LogStore {
  const known = new Map<number, Promise<Segment[]>>();
  const writing = new Map<number, Promise<void>>();
  let trouble: string | null = null;

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

  async function write(place: LogPlace, offset: number, bytes: Uint8Array): Promise<void> {
    let segments = await segmentsOf(place);
    if (endOf(segments) !== offset) {
      // A repeat, a gap, or another API has written meanwhile: the files are read.
      known.delete(place.epoch);
      segments = await segmentsOf(place);
    }
    let data = bytes;
    let at = offset;
    const end = endOf(segments);
    if (at < end) {
      data = data.subarray(end - at);
      at = end;
    }
    while (data.length > 0) {
      let segment = segments.at(-1);
      if (segment === undefined || segment.start + segment.size !== at || segment.full) {
        if (segments.length === 0) await mkdir(folderOf(folder, place), { recursive: true, mode: 0o700 });
        segment = { start: at, size: 0, full: false };
        segments.push(segment);
      }
      const room = roomOf(segment, limits);
      if (room <= data.length) segment.full = true;
      const piece = data.subarray(0, wholeLines(data, room, segment.size, limits.line));
      await writeAt(fileOf(folder, place, segment), piece, segment.size);
      segment.size += piece.length;
      at += piece.length;
      data = data.subarray(piece.length);
      await dropMiddle(place, segments);
    }
  }

  async function dropMiddle(place: LogPlace, segments: Segment[]): Promise<void> {
    const tail = segments.filter((segment) => !isHead(segment.start, limits));
    for (const old of tail.slice(0, Math.max(0, tail.length - KEPT_SEGMENTS))) {
      segments.splice(segments.indexOf(old), 1);
      await unlink(fileOf(folder, place, old)).catch(() => {});
    }
  }

  return {
    append(place, offset, data) {
      // One after the other per attempt: a repeated call may arrive while the first one still writes.
      const before = writing.get(place.epoch) ?? Promise.resolve();
      const next = before
        .catch(() => {})
        .then(() => write(place, offset, data))
        .then(() => {
          trouble = null;
        })
        .catch((error: NodeJS.ErrnoException) => {
          // It is unknown what was written: the files are read at the next chunk.
          known.delete(place.epoch);
          trouble = FULL.has(error.code ?? '') ? `no space is left for ${folder}` : error.message;
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
      // Another API may be writing, so the files are read.
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

    trouble: () => trouble,

    async forget(run) {
      await rm(join(folder, safe(run)), { recursive: true, force: true });
    },
  };
}

/**
 * At its place, never at the end of the file: an agent that loses its API sends a chunk again to another one, which may not know yet that
 * the first has written it.
 */
async function writeAt(path: string, piece: Uint8Array, position: number): Promise<void> {
  // A segment that another API has left out meanwhile must not come again with a hole.
  const file = await open(path, constants.O_WRONLY | (position === 0 ? constants.O_CREAT : 0), 0o600);
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

function roomOf({ start, size }: Segment, limits: LogLimits): number {
  return (isHead(start, limits) ? limits.head - start : limits.segment) - size;
}

/** The head may end as much as a line before its limit. */
const isHead = (start: number, { head, line }: LogLimits): boolean => start < head - line;

/**
 * How many bytes still belong to a segment with that much room: all of them, or up to the last line end that fits. A segment with bytes
 * may take none; an empty one takes at least something.
 */
function wholeLines(data: Uint8Array, room: number, size: number, line: number): number {
  if (data.length < room) return data.length;
  const end = data.subarray(0, room).lastIndexOf(10) + 1;
  if (end === 0) return size > 0 && room <= line ? 0 : room;
  return room - end <= line ? end : room;
}

/** Ids hold only letters, digits and `_ . -`; any other character must not lead out of the folder. */
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
    if (found !== null) segments.push({ start: Number(match[2]), size: found.size, full: false });
  }
  return segments.sort((a, b) => a.start - b.start);
}
