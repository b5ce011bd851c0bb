/** Accounting months seen from today in Shanghai. */

/** `monthBefore(1)` is last month, `2026-10`. */
export function monthBefore(n: number, now: Date = new Date()): string {
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Shanghai' }).format(now);
  const [year, month] = today.split('-').map(Number) as [number, number];
  return new Date(Date.UTC(year, month - 1 - n, 1)).toISOString().slice(0, 7);
}

/** `2026-10` -> `202610`, as programs and the sample write it. */
export const compactMonth = (period: string): string => period.replace('-', '');
