/** The calls of one agent process: each function sends a body and returns the parsed answer (contract/agent.ts). */
import { randomUUID } from 'node:crypto';
import {
  AGENT_PROTOCOL,
  type AttemptResult,
  ClaimAnswer,
  type ClaimRequest,
  CompleteAnswer,
  type CompleteRequest,
  CorrectionsAnswer,
  type CorrectionsRequest,
  HeartbeatAnswer,
  type HeartbeatRequest,
  HelloAnswer,
  type HelloRequest,
  LeaveAnswer,
  type LeaveRequest,
  StartedAnswer,
  type StartedRequest,
} from '../contract/agent.ts';
import type { ApiClient, CallOptions, RetryOptions } from './api-client.ts';

/** The API answers a claim with work, or when the wait of the claim is over. The agent waits this much longer, ms, before it gives up. */
const CLAIM_MARGIN_MS = 10_000;

export interface Introduction {
  readonly instance: string;
  /** Token of the spool folder's lock: it proves that this is a restart (protocol C8). */
  readonly lockToken: string;
  readonly platform: string;
  readonly slots: number;
  readonly labels: readonly string[];
  readonly version: string;
  /** Encoding of programs that declare none, in the standard's spelling; default utf-8. */
  readonly encoding?: string | undefined;
  readonly containment?: 'cgroup' | 'namespace' | 'marks' | 'group' | undefined;
}

/** Every call except heartbeat and leave repeats its identical body until it is answered (protocol C1). */
export function createCalls(client: ApiClient, who: Introduction) {
  const { instance, platform } = who;
  const labels = [...who.labels];
  return {
    hello(held: number[], options: RetryOptions): Promise<HelloAnswer> {
      const { lockToken, slots, version, encoding, containment } = who;
      const body: HelloRequest = {
        instance,
        lockToken,
        platform,
        slots,
        labels,
        version,
        encoding,
        containment,
        held,
        protocol: AGENT_PROTOCOL,
      };
      return client.callUntilAnswered('hello', JSON.stringify(body), HelloAnswer, options);
    },
    claim(free: number, waitMs: number, options: RetryOptions): Promise<ClaimAnswer> {
      const body: ClaimRequest = { claimId: randomUUID(), instance, platform, free, labels, waitMs };
      const timeoutMs = waitMs + CLAIM_MARGIN_MS;
      return client.callUntilAnswered('claim', JSON.stringify(body), ClaimAnswer, { ...options, timeoutMs });
    },
    started(epochs: number[], options: RetryOptions): Promise<StartedAnswer> {
      const leases = epochs.map((epoch) => ({ epoch }));
      const body: StartedRequest = { requestId: randomUUID(), instance, leases };
      return client.callUntilAnswered('started', JSON.stringify(body), StartedAnswer, options);
    },
    complete(results: AttemptResult[], options: RetryOptions): Promise<CompleteAnswer> {
      const body: CompleteRequest = { requestId: randomUUID(), instance, results };
      return client.callUntilAnswered('complete', JSON.stringify(body), CompleteAnswer, options);
    },
    heartbeat(beat: Omit<HeartbeatRequest, 'instance'>, options: CallOptions): Promise<HeartbeatAnswer> {
      const body: HeartbeatRequest = { instance, ...beat };
      return client.call('heartbeat', JSON.stringify(body), HeartbeatAnswer, options);
    },
    corrections(
      corrections: CorrectionsRequest['corrections'],
      options: CallOptions,
    ): Promise<CorrectionsAnswer> {
      const body: CorrectionsRequest = { instance, corrections };
      return client.call('corrections', JSON.stringify(body), CorrectionsAnswer, options);
    },
    leave(held: number[], options: CallOptions): Promise<unknown> {
      const body: LeaveRequest = { instance, held };
      return client.call('leave', JSON.stringify(body), LeaveAnswer, options);
    },
  };
}
