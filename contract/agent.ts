/**
 * The contract between agents and the API (protocol C1-C8): lists in, lists out. A call repeated with the same id
 * (`claimId`, `requestId`) gets the same answer, so an agent that heard none repeats the identical body.
 * All durations are ms. Every call is `POST /api/v1/agents/:agent/<operation>` with a bearer token.
 */
import { z } from 'zod';
import { encodingNamed } from '../encoding.ts';
import { spokenText, text } from './fields.ts';

const Name = text(120).min(1);
const Ms = z.int().min(0);
export const Epoch = z.int().min(1);
const Epochs = z.array(Epoch).max(10_000);
const WorkKey = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * Version of this contract. 2: the key of a fence is the work. An agent of an older one would take no part in it, and is refused when it
 * says hello or claims (`agent_too_old`); what it runs may still be reported.
 */
export const AGENT_PROTOCOL = 2;
const RequestId = text(64).min(8);

/** An encoding that output is shown in; one that `encodingNamed` knows, in the standard's spelling. */
const Encoding = z.string().refine((name) => encodingNamed(name) === name, 'no encoding of program output');

/** C3. */
export const Lease = z.strictObject({
  run: Name,
  flow: text(140).min(1),
  generation: z.int().min(1),
  attempt: z.int().min(1),
  epoch: Epoch,
});
export type Lease = z.infer<typeof Lease>;

const CopySide = z.strictObject({ connection: Name, table: z.string().min(1) });

/** The resolved program of a task: as in the catalogue, but SQL arrives as text, not as a file's name. */
export const ProgramSpec = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('sql'),
    sql: z.string(),
    connection: Name.optional(),
    check: z.boolean().default(false),
    transaction: z.literal('none').optional(),
  }),
  z.strictObject({
    type: z.literal('shell'),
    command: z.array(z.string()).min(1),
    env: z.record(z.string(), z.string()).default({}),
    encoding: Encoding.optional(),
  }),
  z.strictObject({
    type: z.literal('export'),
    distribution: Name,
    from: CopySide,
    to: CopySide,
    columns: z.array(z.string()).min(1),
    where: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal('import'),
    distribution: Name,
    to: CopySide,
    columns: z.array(z.string()).min(1),
    periodColumn: z.string(),
  }),
  z.strictObject({ type: z.literal('noop'), ms: Ms.default(0), failTimes: z.int().min(0).default(0) }),
]);
export type ProgramSpec = z.infer<typeof ProgramSpec>;

/** What an agent needs to carry out one attempt; meaning of the fields: platforms/platform.ts. */
export const Task = z.strictObject({
  lease: Lease,
  program: z.string().min(1).max(140),
  period: z.string().regex(/^\d{6}(\d{2}(\d{2})?)?$/),
  spec: ProgramSpec,
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  timeZone: Name.default('Asia/Shanghai'),
  timeoutMs: Ms.nullable().default(null),
  orphanMs: Ms,
  fenced: z.boolean(),
  /** Set for a rehearsal: each connection that it uses -> the one that it stands for. The agent refuses one that is the very same database. */
  twins: z.record(z.string(), z.string()).default({}),
  leaves: z.literal('running').optional(),
  /** Key of the work (C6); null: the program has no fence. */
  work: WorkKey.nullable().default(null),
  /** The work as people read it. */
  workText: z.string().max(1_000).default(''),
  /** Further works that the attempt holds: the run adopted another version since it was tried first. */
  works: z.array(WorkKey).max(100).default([]),
  /** Whose record it is. */
  record: z.string().max(100).default(''),
  /** Epochs of this record's attempts of the same run, flow and generation. */
  own: Epochs.default([]),
  /** Epochs of this record's attempts of the work whose backends may be at work still. */
  unended: Epochs.default([]),
});
export type Task = z.infer<typeof Task>;

/** A row of a platform's fence that was in the way of an attempt. */
export const FenceRow = z.strictObject({
  epoch: z.int(),
  record: spokenText(100),
  run: spokenText(200),
  flow: spokenText(200),
  generation: z.int(),
  /** When it was written, by the platform's clock: ISO 8601 with an offset; null: unknown. */
  at: spokenText(40).nullable(),
});
export type FenceRow = z.infer<typeof FenceRow>;

/** How an attempt ended; meaning: platforms/platform.ts. `lost` = the agent itself cannot tell: log it as C4's `lost`. */
export const Ending = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('succeeded'),
    rows: z.int().min(0).optional(),
    already: z.boolean().optional(),
    over: FenceRow.optional(),
  }),
  z.strictObject({ outcome: z.literal('false') }),
  z.strictObject({
    outcome: z.literal('cancelled'),
    effect: z.boolean().nullable(),
    stale: z.boolean().optional(),
    heldBy: FenceRow.optional(),
    message: spokenText(4_000).optional(),
  }),
  z.strictObject({
    outcome: z.literal('failed'),
    kind: z.enum(['program', 'infrastructure', 'timeout']),
    message: spokenText(4_000),
    exitCode: z.int32().optional(),
  }),
  z.strictObject({ outcome: z.literal('lost'), message: spokenText(4_000) }),
]);
export type Ending = z.infer<typeof Ending>;

/**
 * `agentMs`: what the agent's own clock measured; a remark, not an instant of the record (A4). `logBytes`: all that the attempt
 * wrote; its last bytes may come after its result. `encoding`: what they are shown in, default utf-8.
 */
export const AttemptResult = z.strictObject({
  ...Lease.shape,
  ending: Ending,
  agentMs: Ms.optional(),
  logBytes: z.int().min(0).optional(),
  encoding: Encoding.optional(),
});
export type AttemptResult = z.infer<typeof AttemptResult>;

/** Epochs whose programs the agent must end: in every answer but `hello`. */
const stop = Epochs.default([]);

/**
 * First call of a process. `lockToken` is the token of the local lock file: the same token takes over at once (C8),
 * another is refused with `agent_name_taken` while the old instance's lease lives. `held`: epochs that this process
 * still answers for (running programs, undelivered results); any other open lease of the agent is lost by its own word.
 */
export const HelloRequest = z.strictObject({
  instance: RequestId,
  lockToken: text(128).min(16),
  platform: Name,
  slots: z.int().min(1).max(10_000),
  labels: z.array(Name).max(100).default([]),
  version: text(64),
  /** Of the output of programs that declare none; default utf-8. */
  encoding: Encoding.optional(),
  /** An agent that does not say is of the first. */
  protocol: z.int().min(1).default(1),
  /** How it keeps the processes of its shell programs together (C5). */
  containment: z.enum(['cgroup', 'namespace', 'marks', 'group']).optional(),
  held: Epochs.default([]),
});
export const HelloAnswer = z.object({
  leaseMs: Ms,
  heartbeatMs: Ms,
  orphanMs: Ms,
  /** Whose record it is; an API of before does not say. */
  record: z.string().max(100).optional(),
});

export const ClaimRequest = z.strictObject({
  claimId: RequestId,
  instance: RequestId,
  platform: Name,
  free: z.int().min(1).max(10_000),
  labels: z.array(Name).max(100).default([]),
  /** How long the API may wait for work before it answers with none. */
  waitMs: z.int().min(0).max(60_000),
});
export const ClaimAnswer = z.object({ tasks: z.array(Task), stop });

/** C4: a program is launched only when its epoch is in `ok`. */
export const StartedRequest = z.strictObject({
  requestId: RequestId,
  instance: RequestId,
  leases: z.array(z.strictObject({ epoch: Epoch })).min(1),
});
export const StartedAnswer = z.object({
  ok: Epochs,
  refused: z.array(z.object({ epoch: Epoch, code: z.string() })),
  stop,
});

/** What running programs wait for outside the engine: codes of `why`, and who is in the way. */
export const Waits = z
  .array(
    z.strictObject({
      epoch: Epoch,
      code: z.enum(['fence_held_elsewhere', 'processes_survive']),
      by: spokenText(1_000),
    }),
  )
  .max(10_000);
export type Waits = z.infer<typeof Waits>;

/** How far running programs have come whose statements commit by themselves. */
const Reached = z.array(z.strictObject({ epoch: Epoch, said: spokenText(1_000) })).max(10_000);
export type Reached = z.infer<typeof Reached>;

const FenceReports = z
  .array(
    z.strictObject({
      connection: spokenText(120),
      records: z
        .array(z.strictObject({ record: spokenText(100), works: z.int().min(0), newest: z.int() }))
        .max(100),
    }),
  )
  .max(1_000);

/** Keeps the instance's lease and those of its epochs; `unknown` are no longer this agent's. */
export const HeartbeatRequest = z.strictObject({
  instance: RequestId,
  leases: Epochs,
  waits: Waits.default([]),
  reached: Reached.optional(),
  /** What is wrong with the agent's machine, in words; absent: nothing. */
  trouble: spokenText(1_000).optional(),
  /** Whose works the fences of its databases hold; now and then. */
  fences: FenceReports.optional(),
  /** Runs of the API's own record that rows of these fences name. Said only to an API that has told its record. */
  fenceRuns: z.array(spokenText(200)).max(1_000).optional(),
});
/**
 * `force`: these attempts end although processes of their programs live on; a person decided it. `archived`: of `fenceRuns`, those that
 * have left the record, so that rows of theirs can never matter again (C6).
 */
export const HeartbeatAnswer = z.object({
  stop,
  unknown: Epochs.default([]),
  force: Epochs.default([]),
  archived: z.array(z.string()).default([]),
});

/** C3: `stale` results are kept as remarks only; either answer ends the agent's duty to report. */
export const CompleteRequest = z.strictObject({
  requestId: RequestId,
  instance: RequestId,
  results: z.array(AttemptResult).min(1).max(1_000),
});
export const CompleteAnswer = z.object({ accepted: Epochs, stale: Epochs, stop });

/**
 * `data`: bytes as the attempt wrote them, in base64 (10-15 ms a MB with reading and checking, as text was). `offset`: bytes that it wrote
 * before these, sent or left out. Bytes below what is stored already are a repeat.
 */
export const LogChunk = z.strictObject({
  ...Lease.shape,
  offset: z.int().min(0),
  data: z.base64().max(1_500_000),
});
export type LogChunk = z.infer<typeof LogChunk>;
export const LogsRequest = z.strictObject({
  instance: RequestId,
  chunks: z.array(LogChunk).min(1).max(1_000),
});
/** `refused`: epochs of which nothing could be stored now; the agent keeps the bytes and comes again with them. */
export const LogsAnswer = z.object({ stop, refused: Epochs.default([]) });

/**
 * Last call of a process that ends on purpose: leases sent but not started may be requeued at once, the name is free,
 * and a waiting claim of the instance is answered empty. `held` as in `hello`: programs that go on without the agent.
 */
export const LeaveRequest = z.strictObject({ instance: RequestId, held: Epochs });
export const LeaveAnswer = z.object({});

export type HelloRequest = z.infer<typeof HelloRequest>;
export type HelloAnswer = z.infer<typeof HelloAnswer>;
export type ClaimRequest = z.infer<typeof ClaimRequest>;
export type ClaimAnswer = z.infer<typeof ClaimAnswer>;
export type StartedRequest = z.infer<typeof StartedRequest>;
export type StartedAnswer = z.infer<typeof StartedAnswer>;
export type HeartbeatRequest = z.infer<typeof HeartbeatRequest>;
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>;
export type CompleteRequest = z.infer<typeof CompleteRequest>;
export type CompleteAnswer = z.infer<typeof CompleteAnswer>;
export type LogsRequest = z.infer<typeof LogsRequest>;
export type LeaveRequest = z.infer<typeof LeaveRequest>;
