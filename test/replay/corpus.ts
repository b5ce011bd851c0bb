/** Recorded histories of the workflows: one file a scene, gzip of JSON, without anything of the machine that recorded them. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { projectFolder } from '../../config.ts';
import { BUILD } from '../../workflows/messages.ts';

/** A history as JSON; `replayable` makes of it what a worker takes. */
export interface History {
  readonly events: readonly HistoryEvent[];
}

export interface HistoryEvent {
  readonly eventType: number;
  readonly [attributes: string]: unknown;
}

interface Bytes {
  readonly bytes: string;
}

export interface Recorded {
  readonly workflowId: string;
  readonly history: History;
}

export const FOLDER = join(projectFolder, 'test', 'replay', 'histories');

/** Every recorded history, as one that the given build made: executions compare the build in their input (decision 0009). */
export async function readCorpus(build: string): Promise<Map<string, readonly Recorded[]>> {
  const names = (await readdir(FOLDER)).sort();
  const scenes = await Promise.all(
    names.map(async (name) => {
      const text = gunzipSync(await readFile(join(FOLDER, name))).toString();
      const recorded = JSON.parse(text) as Recorded[];
      return [name.replace('.json.gz', ''), recorded.map((entry) => withBuild(entry, build))] as const;
    }),
  );
  return new Map(scenes);
}

/** Replaces the whole corpus. */
export async function writeCorpus(scenes: ReadonlyMap<string, readonly Recorded[]>): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  for (const [name, recorded] of scenes)
    await writeFile(join(FOLDER, `${name}.json.gz`), gzipSync(JSON.stringify(recorded), { level: 9 }));
}

/**
 * A history as the client gives it -> JSON without identities. Throws when a name of the machine or a path of the project is left.
 */
export function scrubbed(workflowId: string, history: object, build: string): Recorded {
  const recorded = withBuild({ workflowId, history: cleaned('', history) as History }, BUILD, build);
  const payloads: string[] = [];
  const frame = JSON.stringify(recorded).replace(/"bytes":"([^"]*)"/g, (_, data: string) => {
    payloads.push(decoded(data));
    return '';
  });
  for (const trace of [hostname(), projectFolder]) {
    const word = new RegExp(`(?<![\\w-])${trace.replaceAll(/\W/g, '\\$&')}(?![\\w-])`);
    if ([frame, ...payloads].some((entry) => word.test(entry)))
      throw new Error(`a history of ${workflowId} names this machine: ${trace}`);
  }
  return recorded;
}

/** Numbers for 64 bits, `{bytes}` in base64, no identity. */
function cleaned(key: string, value: unknown): unknown {
  if (key === 'identity') return 'recorder';
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map((entry) => cleaned('', entry));
  if (typeof value !== 'object' || value === null) return value;
  if ('low' in value && 'high' in value) return Number(String(value));
  const fields = Object.entries(value).filter(([, it]) => it !== null && it !== undefined);
  return Object.fromEntries(fields.map(([k, it]) => [k, cleaned(k, it)]));
}

/** What `Worker.runReplayHistories` takes: its own reader of JSON does not work beside several copies of protobufjs (SDK 1.24). */
export function replayable({ workflowId, history }: Recorded): { workflowId: string; history: unknown } {
  const text = JSON.stringify(history);
  const isBytes = (entry: unknown): entry is { bytes: string } =>
    typeof entry === 'object' && entry !== null && 'bytes' in entry && Object.keys(entry).length === 1;
  const revive = (_key: string, entry: unknown): unknown =>
    isBytes(entry) ? Buffer.from(entry.bytes, 'base64') : entry;
  return { workflowId, history: JSON.parse(text, revive) };
}

/** The input of the first event, and only that, is compared with the bundle. */
function withBuild(recorded: Recorded, build: string, from = BUILD): Recorded {
  const [first, ...rest] = recorded.history.events;
  const started = first!.workflowExecutionStartedEventAttributes as {
    input: { payloads: { data: Bytes }[] };
  };
  const [input] = started.input.payloads;
  const data = Buffer.from(decoded(input!.data.bytes).replace(`"${from}"`, `"${build}"`)).toString('base64');
  const attributes = { ...started, input: { payloads: [{ ...input, data: { bytes: data } }] } };
  const events = [{ ...first!, workflowExecutionStartedEventAttributes: attributes }, ...rest];
  return { ...recorded, history: { events } };
}

export const decoded = (data: string): string => Buffer.from(data, 'base64').toString();

/** What local activities answered, in order. */
export function answersIn({ history }: Recorded): Record<string, unknown>[] {
  return history.events.flatMap((event) => {
    const marker = event.markerRecordedEventAttributes as
      | { details?: { result?: { payloads: { data?: Bytes }[] } } }
      | undefined;
    const data = marker?.details?.result?.payloads[0]?.data;
    const answer: unknown = data === undefined ? null : JSON.parse(decoded(data.bytes));
    return typeof answer === 'object' && answer !== null ? [answer as Record<string, unknown>] : [];
  });
}
