/**
 * Local times and instants. An instant is ms since 1970 in UTC. A local time is the instant at which a clock in UTC shows the same date and
 * time, so that calendar arithmetic is plain arithmetic.
 *
 * Decisions of the engine do not use this file: the moments of a run are resolved to instants once, when it is opened (protocol A4).
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Since this instant China has one offset and no summer time, so that conversions need no time-zone data. */
const SHANGHAI_FIXED_SINCE = Date.UTC(1991, 8, 15);

/** One for each zone that was asked for: making a format takes as long as thousands of conversions. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether the platform knows `zone` as an IANA name. */
export function isTimeZone(zone: string): boolean {
  try {
    format(zone);
    return true;
  } catch {
    return false;
  }
}

const NAME = /^[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)*$/;
const OFFSET = /^([+-])(\d{2}):?(\d{2})?$/;

/**
 * Whether `zone` is a name that means the same to databases and shells. They read an offset `+08:00` with the opposite sign (POSIX counts west),
 * and a shell silently takes a name in the wrong case for UTC. `suggestion`: the name that was probably meant.
 */
export function isZoneName(zone: string): { readonly ok: boolean; readonly suggestion: string | null } {
  const known = isTimeZone(zone) ? format(zone).resolvedOptions().timeZone : null;
  if (known === null || !NAME.test(known)) return { ok: false, suggestion: null };
  const isInCase = known === zone || known.toLowerCase() !== zone.toLowerCase();
  if (NAME.test(zone) && isInCase) return { ok: true, suggestion: null };
  return { ok: false, suggestion: known };
}

/** The zone in the form that programs get. An offset, which old catalogue versions may hold, is written as in POSIX. */
export function programZone(zone: string): string {
  const match = OFFSET.exec(zone);
  if (match === null) return zone;
  const [, sign, hours, minutes = '00'] = match;
  return `<${sign}${hours}${minutes}>${sign === '+' ? '-' : '+'}${hours}:${minutes}`;
}

/** Offset of `zone` from UTC at an instant, in ms, east positive. Throws RangeError for an unknown zone (check it with isTimeZone). */
export function zoneOffsetMs(zone: string, instantMs: number): number {
  if (zone === 'UTC') return 0;
  if (zone === 'Asia/Shanghai' && instantMs >= SHANGHAI_FIXED_SINCE) return 8 * HOUR_MS;
  const name = format(zone)
    .formatToParts(instantMs)
    .find((part) => part.type === 'timeZoneName')?.value;
  const match = /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(name ?? '');
  if (match?.[1] === undefined) return 0;
  const ms = (Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4] ?? 0)) * 1000;
  return match[1] === '-' ? -ms : ms;
}

/** The local time in `zone` at an instant. */
export function toLocal(zone: string, instantMs: number): number {
  return instantMs + zoneOffsetMs(zone, instantMs);
}

/**
 * The instant of a local time in `zone`. One that summer time skips counts an hour later (02:30 becomes 03:30); one that happens twice means the
 * first time. This is the rule of RFC 5545, and `compatible` of JavaScript's Temporal.
 */
export function toInstant(zone: string, localMs: number): number {
  const before = zoneOffsetMs(zone, localMs - DAY_MS);
  const after = zoneOffsetMs(zone, localMs + DAY_MS);
  const first = localMs - before;
  if (before === after || zoneOffsetMs(zone, first) === before) return first;
  const second = localMs - after;
  return zoneOffsetMs(zone, second) === after ? second : first;
}

function format(zone: string): Intl.DateTimeFormat {
  let known = formats.get(zone);
  if (known === undefined) {
    known = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    formats.set(zone, known);
  }
  return known;
}
