/** Instants and durations as people read them. */

/** `2026-11-01 08:03:07` in the time zone of this machine; `-` for none. */
export function instant(at: number | null | undefined): string {
  if (at === null || at === undefined || at === 0) return '-';
  const d = new Date(at);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${time(at)}`;
}

/** `08:03:07` in the time zone of this machine. */
export function time(at: number): string {
  const d = new Date(at);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
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
