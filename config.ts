/**
 * The configuration. No other file reads the environment. Every key has a schema here, with its default, and a line in `.env.example`;
 * a test compares the two. Other files receive the parsed values.
 *
 * A file `.env` in the project folder is read when it exists; variables of the environment take precedence over it.
 */
import { existsSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { encodingNamed } from './encoding.ts';
import { SluiceError } from './errors.ts';

/** The folder of the project. Relative paths in the configuration start here. */
export const projectFolder = import.meta.dirname;

const ms = (fallback: number) => z.coerce.number().int().min(1).default(fallback);
const port = z.coerce.number().int().min(1).max(65_535);
const path = z.string().transform((entry) => resolve(projectFolder, entry));
const list = z.string().transform((entry) =>
  entry
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

/** Name of an encoding, in the spelling of the WHATWG standard. */
const encoding = z.string().transform((name, context) => {
  const known = encodingNamed(name);
  if (known !== undefined) return known;
  context.addIssue({
    code: 'custom',
    message: 'an encoding of program output: utf-8, gbk, gb18030, big5, latin1 ...',
  });
  return z.NEVER;
});

/** `{"yt": "postgres://..."}`: credentials of platforms, which only agents hold (protocol C1). */
const connections = z.string().transform((text, context) => {
  const problem = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    // The message of JSON.parse would quote the text, which contains passwords.
    return problem('is no JSON; it must be an object: connection name -> URL');
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return problem('must be a JSON object: connection name -> URL');
  const urls: Record<string, string> = {};
  for (const [name, url] of Object.entries(given)) {
    const wrong = urlProblem(url, /^[a-z][a-z0-9+.-]*$/);
    if (wrong !== null) problem(`the connection '${name}' ${wrong}`);
    else urls[name] = url as string;
  }
  return urls;
});

/** `postgres://user:password@host:port/database` of the record. */
const databaseUrl = z.string().transform((url, context) => {
  const wrong = urlProblem(url, /^postgres(ql)?$/);
  if (wrong === null) return url;
  context.addIssue({ code: 'custom', message: wrong });
  return z.NEVER;
});

/**
 * Describes what is wrong with the URL of a database, without repeating the URL; null when nothing is. A password with `#`, `/`, `?` or
 * `@` splits a URL in the wrong place, and the parts may still be a URL: of another host, or without a password.
 */
function urlProblem(url: unknown, scheme: RegExp): string | null {
  const encode = 'write # / ? @ : % and spaces of user and password as %23 %2F %3F %40 %3A %25 %20';
  if (typeof url !== 'string') return 'must be a URL in quotes';
  const [, given, rest] = /^([^:/?#]*):\/\/(.*)$/s.exec(url) ?? [];
  if (given === undefined || !scheme.test(given))
    return 'must be a URL: postgres://user:password@host:port/database';
  const [place = ''] = /^[^/?#]*/.exec(rest!)!;
  const beyond = rest!.slice(place.length);
  // An @ after the first of / ? # and outside the options: the password ends too early.
  if (/@/.test(beyond.replace(/[?][\w.-]+=.*$/s, ''))) return `has a password that ends too early; ${encode}`;
  if (/#/.test(beyond)) return `has a # that cuts it; ${encode}`;
  if (/%(?![0-9a-fA-F]{2})/.test(place)) return `has a % that is none of an encoded character; ${encode}`;
  try {
    const { username, password } = new URL(url);
    for (const part of [username, password]) decodeURIComponent(part);
    return null;
  } catch {
    return `is no URL that can be read; ${encode}`;
  }
}

/** Names of variables, or prefixes: `JAVA_HOME, ORACLE_*`. Variables of Sluice are refused: they may hold secrets. */
const passed = list.transform((all, context) => {
  const bad = all.find((item) => !/^[A-Za-z_][A-Za-z0-9_]*\*?$/.test(item) || reachesOwn(item));
  if (bad === undefined) return all;
  const message = reachesOwn(bad)
    ? `'${bad}' would pass on variables of Sluice, which may hold secrets`
    : `'${bad}' is no name of a variable, and no beginning of one followed by *`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});
const reachesOwn = (text: string) =>
  text === 'DATABASE_URL' ||
  text.startsWith('SLUICE_') ||
  (text.endsWith('*') && 'SLUICE_'.startsWith(text.slice(0, -1)));

/** The address of the API, or the addresses of several APIs on one database: `http://a:7070,http://b:7070`. */
const addresses = list.transform((all, context) => {
  if (all.length > 0 && all.every((item) => z.url({ protocol: /^https?$/ }).safeParse(item).success))
    return all.map((item) => item.replace(/\/+$/, '')).join(',');
  context.addIssue({ code: 'custom', message: 'URLs of http or https, separated by commas' });
  return z.NEVER;
});

const Environment = z
  .object({
    // Folders
    SLUICE_HOME: path.prefault('.sluice'),
    SLUICE_CACHE: path.optional(),
    // Servers of your own instead of the embedded ones
    DATABASE_URL: databaseUrl.optional(),
    TEMPORAL_ADDRESS: z
      .string()
      .regex(/^[^\s:]+:\d+$/, 'host:port')
      .optional(),
    TEMPORAL_NAMESPACE: z.string().default('default'),
    // The embedded servers
    SLUICE_POSTGRES_PORT: port.optional(),
    SLUICE_TEMPORAL_PORT: port.optional(),
    SLUICE_TEMPORAL_BIN: path.optional(),
    // The API
    SLUICE_HOST: z.string().default('127.0.0.1'),
    SLUICE_PORT: port.default(7070),
    SLUICE_API_URL: addresses.optional(),
    SLUICE_TOKEN: z.string().min(16, 'at least 16 characters').optional(),
    // Times of the protocol
    SLUICE_LEASE_MS: ms(60_000),
    SLUICE_HEARTBEAT_MS: ms(10_000),
    SLUICE_ORPHAN_MS: ms(30 * 60_000),
    SLUICE_GRACE_MS: ms(30_000),
    SLUICE_PLAN_TTL_MS: ms(10 * 60_000),
    // Days that finished runs stay in the database, by cycle, and days that the audit stays
    SLUICE_RETENTION: z.enum(['auto', 'manual']).default('auto'),
    SLUICE_KEEP_HOUR_DAYS: z.coerce.number().int().min(3).default(45),
    SLUICE_KEEP_DAY_DAYS: z.coerce.number().int().min(45).default(190),
    SLUICE_KEEP_MONTH_DAYS: z.coerce.number().int().min(95).default(800),
    SLUICE_KEEP_AUDIT_DAYS: z.coerce.number().int().min(400).default(1_100),
    SLUICE_ARCHIVE: path.optional(),
    // The coordinators
    SLUICE_TASK_QUEUE: z.string().default('sluice'),
    SLUICE_CONTINUE_AFTER_EVENTS: z.coerce.number().int().min(0).default(0),
    // Messages and logs
    SLUICE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    SLUICE_LANG: z.enum(['en', 'zh']).default('en'),
    // An agent
    SLUICE_AGENT_NAME: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9_.-]*$/, 'letters, digits, _ . -')
      .optional(),
    SLUICE_AGENT_PLATFORM: z.string().optional(),
    SLUICE_AGENT_SLOTS: z.coerce.number().int().min(1).max(1_000).default(8),
    SLUICE_AGENT_LABELS: list.prefault(''),
    SLUICE_AGENT_ENCODING: encoding.optional(),
    SLUICE_AGENT_OUTPUT_MB: z.coerce.number().int().min(1).default(10_000),
    SLUICE_CONNECTIONS: connections.prefault('{}'),
    SLUICE_AGENT_PASS_ENV: passed.prefault(''),
    SLUICE_AGENT_CONTAINMENT: z.enum(['auto', 'cgroup', 'namespace', 'marks']).default('auto'),
    // Sample data
    SLUICE_SAMPLE_SCALE: z.coerce.number().int().min(1_000).default(200_000),
  })
  .refine((entry) => entry.SLUICE_HEARTBEAT_MS < entry.SLUICE_LEASE_MS, {
    path: ['SLUICE_HEARTBEAT_MS'],
    message: 'must be shorter than SLUICE_LEASE_MS',
  });

/** All keys of the configuration. */
export const configKeys: readonly string[] = Object.keys(Environment.shape);

export interface Config {
  /** Folder for data, logs and pid files of the embedded servers. */
  readonly home: string;
  /** Folder for downloads that are kept (Node, Temporal). */
  readonly cache: string;
  /** When set, this server is used and no PostgreSQL is started. */
  readonly databaseUrl: string | undefined;
  /** `host:port`. When set, this server is used and no Temporal is started. */
  readonly temporalAddress: string | undefined;
  readonly temporalNamespace: string;
  /** Ports of the embedded servers. Default: 7072 and 7073, or any free port when that one is taken. */
  readonly postgresPort: number | undefined;
  readonly temporalPort: number | undefined;
  /** Path of the `temporal` program for the embedded server. */
  readonly temporalBin: string | undefined;
  readonly host: string;
  readonly port: number;
  /** Address of the API for agents and the command line, or several separated by commas. */
  readonly apiUrl: string;
  /** Bearer token of the command line or of an agent; there is no default. */
  readonly token: string | undefined;
  /** An attempt without contact for this time, ms, may be given up by the reaper (protocol C4). Default 60,000. */
  readonly leaseMs: number;
  /** Interval at which an agent reports, ms. Default 10,000. */
  readonly heartbeatMs: number;
  /** How long a program runs on after its agent lost contact, ms (protocol C4, C5), and the time after that until its effects count as over. */
  readonly orphanMs: number;
  readonly graceMs: number;
  /** How long a rerun plan can be applied after it was made, ms. */
  readonly planTtlMs: number;
  /** `auto`: the API archives runs that are due once an hour; `manual`: only on request. */
  readonly retention: 'auto' | 'manual';
  /** Days that runs stay in the database after their end, by cycle. */
  readonly keepDays: { readonly hour: number; readonly day: number; readonly month: number };
  readonly keepAuditDays: number;
  /** Folder of archived runs. */
  readonly archive: string;
  /** Temporal task queue of the workers. */
  readonly taskQueue: string;
  /** Number of history events after which a coordinator continues as new; 0: when Temporal suggests it. */
  readonly continueAfterEvents: number;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly lang: 'en' | 'zh';
  readonly agent: {
    readonly name: string;
    readonly platform: string | undefined;
    /** Maximum number of flows that run at once. */
    readonly slots: number;
    readonly labels: readonly string[];
    /** Encoding of programs that do not declare one. Default: utf-8. */
    readonly encoding: string | undefined;
    /** A shell program that writes more than this many MB is ended. */
    readonly outputMb: number;
    /** Connection name -> URL. */
    readonly connections: Readonly<Record<string, string>>;
    /** Variables of the agent's environment that its shell programs receive; `X*` stands for all that begin with X. */
    readonly passEnv: readonly string[];
    /** How the processes of a program are kept together; auto: the strongest way that works on this machine. */
    readonly containment: 'auto' | 'cgroup' | 'namespace' | 'marks';
  };
  /** Number of bill items in the sample data. */
  readonly sampleScale: number;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration of this process. An empty value counts as absent.
 * Throws `invalid_config`, which names all bad keys at once; facts: `{ problems: [{ key, problem }] }`.
 */
export function loadConfig(env: Env = environment()): Config {
  const given = Object.fromEntries(configKeys.map((key) => [key, env[key] === '' ? undefined : env[key]]));
  // Bytes that are not UTF-8 have become this character. Refused: names of agents and platforms are stored.
  const garbled = Object.entries(given).filter(([, value]) => value?.includes('\ufffd'));
  if (garbled.length > 0) {
    const problems = garbled.map(([key]) => ({ key, problem: 'not UTF-8' }));
    const detail = problems.map(({ key, problem }) => `${key}: ${problem}`).join('; ');
    throw new SluiceError('invalid_config', detail, { facts: { problems } });
  }
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => ({
      key: issue.path.map(String).join('.'),
      problem: issue.message,
    }));
    const detail = problems.map(({ key, problem }) => `${key}: ${problem}`).join('; ');
    throw new SluiceError('invalid_config', detail, { facts: { problems } });
  }
  const it = parsed.data;
  return deepFreeze({
    home: it.SLUICE_HOME,
    cache: it.SLUICE_CACHE ?? join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice'),
    databaseUrl: it.DATABASE_URL,
    temporalAddress: it.TEMPORAL_ADDRESS,
    temporalNamespace: it.TEMPORAL_NAMESPACE,
    postgresPort: it.SLUICE_POSTGRES_PORT,
    temporalPort: it.SLUICE_TEMPORAL_PORT,
    temporalBin: it.SLUICE_TEMPORAL_BIN,
    host: it.SLUICE_HOST,
    port: it.SLUICE_PORT,
    apiUrl: it.SLUICE_API_URL ?? `http://${reachable(it.SLUICE_HOST)}:${it.SLUICE_PORT}`,
    token: it.SLUICE_TOKEN,
    leaseMs: it.SLUICE_LEASE_MS,
    heartbeatMs: it.SLUICE_HEARTBEAT_MS,
    orphanMs: it.SLUICE_ORPHAN_MS,
    graceMs: it.SLUICE_GRACE_MS,
    planTtlMs: it.SLUICE_PLAN_TTL_MS,
    retention: it.SLUICE_RETENTION,
    keepDays: {
      hour: it.SLUICE_KEEP_HOUR_DAYS,
      day: it.SLUICE_KEEP_DAY_DAYS,
      month: it.SLUICE_KEEP_MONTH_DAYS,
    },
    keepAuditDays: it.SLUICE_KEEP_AUDIT_DAYS,
    archive: it.SLUICE_ARCHIVE ?? join(it.SLUICE_HOME, 'archive'),
    taskQueue: it.SLUICE_TASK_QUEUE,
    continueAfterEvents: it.SLUICE_CONTINUE_AFTER_EVENTS,
    logLevel: it.SLUICE_LOG_LEVEL,
    lang: it.SLUICE_LANG,
    agent: {
      name: it.SLUICE_AGENT_NAME ?? `agent-${hostname().replace(/[^A-Za-z0-9_.-]/g, '-')}`,
      platform: it.SLUICE_AGENT_PLATFORM,
      slots: it.SLUICE_AGENT_SLOTS,
      labels: it.SLUICE_AGENT_LABELS,
      encoding: it.SLUICE_AGENT_ENCODING,
      outputMb: it.SLUICE_AGENT_OUTPUT_MB,
      connections: it.SLUICE_CONNECTIONS,
      passEnv: it.SLUICE_AGENT_PASS_ENV,
      containment: it.SLUICE_AGENT_CONTAINMENT,
    },
    sampleScale: it.SLUICE_SAMPLE_SCALE,
  });
}

/** The environment of a child process: that of this process with `changes`; undefined removes a key. */
export function childEnvironment(changes: Env = {}): Record<string, string> {
  const merged = Object.entries({ ...process.env, ...changes });
  return Object.fromEntries(merged.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function environment(): Env {
  const file = join(projectFolder, '.env');
  if (existsSync(file)) process.loadEnvFile(file);
  return process.env;
}

/** The address at which this machine reaches an API that listens on `host`. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
