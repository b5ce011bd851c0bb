/** Instants and durations as people read them. */

/** In which zone clock times are written: the API tells it with each answer. UTC until it has. */
let zone = 'UTC';
let format = formatOf(zone);

/** A zone that this machine does not know changes nothing: times are then written in the zone before, which stands beside them. */
export function useZone(name: string | null): void {
  if (name === null || name === zone) return;
  try {
    format = formatOf(name);
    zone = name;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

export const zoneInUse = (): string => zone;

/** `2026-11-01 08:03:07+08`: the last is the offset of the zone in use; `-` for none. */
export function instant(at: number | null | undefined): string {
  return at === null || at === undefined || at === 0 ? '-' : `${dateTime(at)}${offset(at)}`;
}

/** `08:03:07+08`. */
export const time = (at: number): string => `${dateTime(at).slice(11)}${offset(at)}`;

/** `2026-11-01 08:03:07`, for where the zone stands beside it. */
export function dateTime(at: number): string {
  const { year, month, day, hour, minute, second } = partsOf(at);
  return `${year!.padStart(4, '0')}-${month}-${day} ${hour}:${minute}:${second}`;
}

/** `+08`, `+05:45`, `-03`. */
function offset(at: number): string {
  const [, sign = '+', hours = '00', minutes = '00'] =
    /GMT([+-])(\d{2}):(\d{2})/.exec(partsOf(at).timeZoneName!) ?? [];
  return `${sign}${hours}${minutes === '00' ? '' : `:${minutes}`}`;
}

function partsOf(at: number): Partial<Record<Intl.DateTimeFormatPartTypes, string>> {
  return Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const [numeric, twoDigits] = ['numeric', '2-digit'] as const;
  return new Intl.DateTimeFormat('en-GB', {
    timeZone,
    timeZoneName: 'longOffset',
    hourCycle: 'h23',
    year: numeric,
    month: twoDigits,
    day: twoDigits,
    hour: twoDigits,
    minute: twoDigits,
    second: twoDigits,
  });
}

/** The two largest units: `3 d 4 h`, `4 min 07 s`, `1.25 s`, `80 ms`. */
export function duration(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const whole = Math.abs(Math.round(ms));
  if (whole < 1_000) return `${sign}${whole} ms`;
  if (whole < 60_000) return `${sign}${(whole / 1_000).toFixed(whole < 10_000 ? 2 : 1)} s`;
  const seconds = Math.floor(whole / 1_000);
  if (seconds < 3_600) return `${sign}${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1_440) return `${sign}${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  return `${sign}${Math.floor(minutes / 1_440)} d ${Math.floor((minutes % 1_440) / 60)} h`;
}

/** A duration that was added, or taken away: `+4 min 07 s`, `-80 ms`. */
export const signed = (ms: number): string => (ms > 0 ? `+${duration(ms)}` : duration(ms));

const two = (n: number): string => String(n).padStart(2, '0');
