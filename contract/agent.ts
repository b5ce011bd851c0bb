/**
 * The contract between agents and the API (protocol C1, C3, C4, C5, C6, C7, C8): lists in, lists out. A call repeated with the same id
 * (`claimId`, `requestId`) gets the same answer, so an agent that heard none repeats the identical body.
 * All durations are ms. Every call is `POST /api/v1/agents/:agent/<operation>` with a bearer token.
 */
import { z } from 'zod';
import { encodingNamed } from '../encoding.ts';
import {
  CopySide,
  ExportProgram,
  ImportProgram,
  NoopProgram,
  ShellProgram,
  SqlProgram,
} from '../graph/program-model.ts';
import { FAILURE_KINDS } from '../graph/run/state.ts';
import { type Infer, spokenText, text } from './fields.ts';

const Name = text(120).min(1);
const Ms = z.int().min(0);
export const Epoch = z.int().min(1);
const Epochs = z.array(Epoch).max(10_000);
const WorkKey = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * Version of this contract. Since version 2 the key of a fence is the work (protocol C6). An agent of version 1 does not know such fences: it is
 * refused when it says hello or claims (`agent_too_old`), and may still report what it runs.
 */
export const AGENT_PROTOCOL = 2;
const RequestId = text(64).min(8);

/** An encoding of programs' output: one that `encodingNamed` knows, spelled as in the standard. */
const Encoding = z
  .string()
  .refine((name) => encodingNamed(name) === name, 'not an encoding that program output can have');

/** One claim of one attempt of a flow (protocol C3). Epochs go by the clock, microseconds since 1970, and are never used twice. */
export const Lease = z.strictObject({
  run: Name,
  flow: text(140).min(1),
  generation: z.int().min(1),
  attempt: z.int().min(1),
  epoch: Epoch,
});
export type Lease = Infer<typeof Lease>;

/** A side of a copy as agents get it. Its ids come from a checked catalogue, so they are not checked again. */
const WireSide = CopySide.extend({ connection: Name });

/** The program of a task: as in the catalogue, but resolved, with the text of the SQL file in place of its name. */
export const ProgramSpec = z.discriminatedUnion('type', [
  SqlProgram.omit({ file: true }).extend({
    sql: z.string(),
    /** Name of a connection; default: the platform's own name. */
    connection: Name.optional(),
    /** The last statement answers one boolean; read-only and never fenced (protocol D9). */
    check: z.boolean().default(false),
  }),
  ShellProgram.omit({ rehearsal: true }).extend({ encoding: Encoding.optional() }),
  ExportProgram.extend({ distribution: Name, from: WireSide, to: WireSide }),
  ImportProgram.extend({ distribution: Name, to: WireSide }),
  NoopProgram.extend({ ms: Ms.default(0) }),
]);
export type ProgramSpec = Infer<typeof ProgramSpec>;

/** What an agent needs to carry out one attempt. */
export const Task = z.strictObject({
  lease: Lease,
  /** Name of the program, for people. Fences from before there were works have it as their key. */
  program: z.string().min(1).max(140),
  /** yyyyMM, yyyyMMdd or yyyyMMddHH. */
  period: z.string().regex(/^\d{6}(\d{2}(\d{2})?)?$/),
  spec: ProgramSpec,
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  /** IANA name of the time zone in which the program reads clock and calendar. */
  timeZone: Name.default('Asia/Shanghai'),
  /** Time limit from the first statement after the fence, or from the launch of the process; null: none. */
  timeoutMs: Ms.nullable().default(null),
  /** How long the program may go on after the agent's last contact with the API (protocol C4, C5). */
  orphanMs: Ms,
  fenced: z.boolean(),
  /**
   * For a rehearsal: by connection, the connection of production for which it stands. The agent refuses to run when both are the same database.
   * Empty for other runs.
   */
  twins: z.record(z.string(), z.string()).default({}),
  /** `running`: processes that a shell program has started go on after its end; absent: they are ended with it (protocol C5). */
  leaves: z.literal('running').optional(),
  /** Key of the work (protocol C6); null: the program has no fence. */
  work: WorkKey.nullable().default(null),
  /** The work as people read it. */
  workText: z.string().max(1_000).default(''),
  /** Further works that the attempt holds: those of earlier attempts of the flow, from before the run adopted another version. */
  works: z.array(WorkKey).max(100).default([]),
  /** Id of the record that the task comes from: a fence tells by it whose effect it holds (protocol C6). */
  record: z.string().max(100).default(''),
  /** Epochs of attempts of this record for the same run, flow and generation: what they committed counts as done for this attempt. */
  own: Epochs.default([]),
  /** Epochs of attempts of this record whose backends may still be at the work: only these backends are ended. */
  unended: Epochs.default([]),
});
export type Task = Infer<typeof Task>;

/** A row of a fence that an attempt met: it says whose effect stands on the platform. */
export const FenceRow = z.strictObject({
  epoch: z.int(),
  record: spokenText(100),
  run: spokenText(200),
  flow: spokenText(200),
  generation: z.int(),
  /** When it was written, by the platform's clock: ISO 8601 with the offset of the program's zone; null: unknown. */
  at: spokenText(40).nullable(),
});
export type FenceRow = Infer<typeof FenceRow>;

/** `infrastructure`: the platform or the way to it failed, not the program (protocol C4). `lost` is an ending of its own. */
const FailureKind = z.enum(FAILURE_KINDS).exclude(['lost']);
export type FailureKind = Infer<typeof FailureKind>;

/** How an attempt ended. */
export const Ending = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('succeeded'),
    rows: z.int().min(0).optional(),
    /** The fence says that this run, flow and generation is done; nothing was executed (protocol C6). */
    already: z.boolean().optional(),
    /** The committed effect of another attempt that this one was executed over. */
    over: FenceRow.optional(),
  }),
  /** A check that is not true yet (protocol D9). */
  z.strictObject({ outcome: z.literal('false') }),
  z.strictObject({
    outcome: z.literal('cancelled'),
    /** Whether effects were committed; null: nobody can know. */
    effect: z.boolean().nullable(),
    /** The fence has a larger epoch, that of `heldBy`. */
    stale: z.boolean().optional(),
    heldBy: FenceRow.optional(),
    message: spokenText(4_000).optional(),
  }),
  z.strictObject({
    outcome: z.literal('failed'),
    kind: FailureKind,
    message: spokenText(4_000),
    exitCode: z.int32().optional(),
  }),
  /** The agent itself cannot tell how far an unfenced program got; treated like an expired lease (protocol C4). */
  z.strictObject({ outcome: z.literal('lost'), message: spokenText(4_000) }),
]);
export type Ending = Infer<typeof Ending>;

/**
 * `agentMs`: how long the attempt took by the agent's own clock; a remark, as instants are the record's (protocol A4). `logBytes`: number of bytes that
 * the attempt wrote; the last of them may come after the result. `encoding`: the one in which they are read; default utf-8.
 */
export const AttemptResult = z.strictObject({
  ...Lease.shape,
  ending: Ending,
  agentMs: Ms.optional(),
  logBytes: z.int().min(0).optional(),
  encoding: Encoding.optional(),
});
export type AttemptResult = Infer<typeof AttemptResult>;

/** Epochs whose programs the agent must end. It is in every answer but that of `hello`. */
const stop = Epochs.default([]);

/**
 * First call of a process. `lockToken` is the token of the local lock file: the same token takes over at once (protocol C8),
 * another is refused with `agent_name_taken` while the old instance's lease lives. `held`: epochs that this process
 * still answers for (running programs, undelivered results). Every other open lease of the agent is ended at once, as nobody works on it.
 */
export const HelloRequest = z.strictObject({
  instance: RequestId,
  lockToken: text(128).min(16),
  platform: Name,
  slots: z.int().min(1).max(10_000),
  labels: z.array(Name).max(100).default([]),
  version: text(64),
  /** Encoding of the output of programs that declare none; default utf-8. */
  encoding: Encoding.optional(),
  /** Version of the contract that the agent speaks. An agent of version 1 does not send it. */
  protocol: z.int().min(1).default(1),
  /** How it keeps the processes of its shell programs together (protocol C5). */
  containment: z.enum(['cgroup', 'namespace', 'marks', 'group']).optional(),
  held: Epochs.default([]),
});
export const HelloAnswer = z.object({
  leaseMs: Ms,
  heartbeatMs: Ms,
  orphanMs: Ms,
  /** Id of the API's record. An API from before works does not send it. */
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

/** Protocol C4: a program is launched only when its epoch is in `ok`. */
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
const Wait = z.strictObject({
  epoch: Epoch,
  code: z.enum(['fence_held_elsewhere', 'processes_survive']),
  by: spokenText(1_000),
});
export const Waits = z.array(Wait).max(10_000);
export type Waits = Infer<typeof Waits>;
/** What one program waits for: a code of `why`, and who is in the way. */
export type Waiting = Omit<Infer<typeof Wait>, 'epoch'>;

/** How far running programs with `transaction: none` have come: their statements commit one by one. */
const Reached = z.array(z.strictObject({ epoch: Epoch, said: spokenText(1_000) })).max(10_000);
export type Reached = Infer<typeof Reached>;

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

/** Keeps the agent and its leases alive. The epochs in `unknown` of the answer are no longer this agent's. */
export const HeartbeatRequest = z.strictObject({
  instance: RequestId,
  leases: Epochs,
  waits: Waits.default([]),
  reached: Reached.optional(),
  /** What is wrong with the agent's machine, in words; absent: nothing. */
  trouble: spokenText(1_000).optional(),
  /** For each connection the records whose works its fence holds. It is in few heartbeats, as the agent looks at the fences rarely. */
  fences: FenceReports.optional(),
  /**
   * Runs of the API's own record that rows of these fences name: the agent asks which of them are archived. Sent only to an API that named its
   * record in its answer to hello.
   */
  fenceRuns: z.array(spokenText(200)).max(1_000).optional(),
});
/**
 * `force`: these attempts end although processes of their programs live on; a person decided it. `archived`: of `fenceRuns`, those that
 * have left the record, so that rows of theirs can never matter again (protocol C6).
 */
export const HeartbeatAnswer = z.object({
  stop,
  unknown: Epochs.default([]),
  force: Epochs.default([]),
  archived: z.array(z.string()).default([]),
});

/** Protocol C3: `stale` results are kept as remarks only; either answer ends the agent's duty to report. */
export const CompleteRequest = z.strictObject({
  requestId: RequestId,
  instance: RequestId,
  results: z.array(AttemptResult).min(1).max(1_000),
});
export const CompleteAnswer = z.object({ accepted: Epochs, stale: Epochs, stop });

/**
 * `data`: bytes as the attempt wrote them, in base64, which costs 10 to 15 ms of processor time a MB, as much as text (decision 0019). `offset`:
 * number of bytes that the attempt wrote before these, sent or left out. Bytes that are stored already are a repetition and are skipped.
 */
export const LogChunk = z.strictObject({
  ...Lease.shape,
  offset: z.int().min(0),
  data: z.base64().max(1_500_000),
});
export type LogChunk = Infer<typeof LogChunk>;
export const LogsRequest = z.strictObject({
  instance: RequestId,
  chunks: z.array(LogChunk).min(1).max(1_000),
});
/** `refused`: epochs whose bytes could not be stored now; the agent keeps them and sends them again. */
export const LogsAnswer = z.object({ stop, refused: Epochs.default([]) });

/** Rows of `sluice.sluice_correction` on the agent's connections: tables that were corrected there (protocol E5). */
export const CorrectionsRequest = z.strictObject({
  instance: RequestId,
  corrections: z
    .array(
      z.strictObject({
        connection: spokenText(120),
        row: z.int().min(0),
        table: spokenText(300),
        period: spokenText(20),
        reason: spokenText(2_000),
      }),
    )
    .min(1)
    .max(1_000),
});
/** What became of each: `accepted` with the id of the correction, or why it was refused. A row that has no answer is reported again. */
export const CorrectionsAnswer = z.object({
  answers: z.array(z.object({ connection: z.string(), row: z.int(), answer: z.string() })),
});
export type CorrectionsRequest = Infer<typeof CorrectionsRequest>;
export type CorrectionsAnswer = Infer<typeof CorrectionsAnswer>;

/**
 * Last call of a process that ends on purpose: leases sent but not started may be requeued at once, the name is free,
 * and a waiting claim of the instance is answered empty. `held` as in `hello`: programs that go on without the agent.
 */
export const LeaveRequest = z.strictObject({ instance: RequestId, held: Epochs });
export const LeaveAnswer = z.object({});

export type HelloRequest = Infer<typeof HelloRequest>;
export type HelloAnswer = Infer<typeof HelloAnswer>;
export type ClaimRequest = Infer<typeof ClaimRequest>;
export type ClaimAnswer = Infer<typeof ClaimAnswer>;
export type StartedRequest = Infer<typeof StartedRequest>;
export type StartedAnswer = Infer<typeof StartedAnswer>;
export type HeartbeatRequest = Infer<typeof HeartbeatRequest>;
export type HeartbeatAnswer = Infer<typeof HeartbeatAnswer>;
export type CompleteRequest = Infer<typeof CompleteRequest>;
export type CompleteAnswer = Infer<typeof CompleteAnswer>;
export type LogsRequest = Infer<typeof LogsRequest>;
export type LeaveRequest = Infer<typeof LeaveRequest>;
