/** Instants as text for people, in one zone. Pure; only this file formats clock times. */
import { toInstant, zoneOffsetMs } from './time-zone.ts';

const HOUR_MS = 3_600_000;

const faceOf = (zone: string, at: number): string => new Date(at + zoneOffsetMs(zone, at)).toISOString();

/** `2026-11-22 02:10:33`; the text beside it has to name the zone. */
export const dateTimeOf = (zone: string, at: number): string =>
  faceOf(zone, at).slice(0, 19).replace('T', ' ');

/** `02`. */
export const hourOf = (zone: string, at: number): string => faceOf(zone, at).slice(11, 13);

/** `02:07`. */
export const minuteOf = (zone: string, at: number): string => faceOf(zone, at).slice(11, 16);

/** The instant of an hour of the clock, days after a day that begins at the clock face `startLocal`: over summer time, too. */
export const clockTime = (zone: string, startLocal: number, days: number, hour: number): number =>
  toInstant(zone, startLocal + (days * 24 + hour) * HOUR_MS);
