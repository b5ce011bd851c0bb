/** An API in plain HTTP for tests of agents: it hands out tasks, and notes, loses or refuses calls as a test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Task } from '../../contract/agent.ts';
import {
  type AttemptResult,
  ClaimAnswer,
  ClaimRequest,
  CompleteAnswer,
  CompleteRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  HelloAnswer,
  HelloRequest,
  LeaveRequest,
  type LogChunk,
  LogsRequest,
  StartedAnswer,
  StartedRequest,
} from '../../contract/agent.ts';

export interface Call {
  readonly operation: string;
  readonly body: string;
}

/** What happens to a call: `lose` = it is carried out, but the answer never arrives; `hang` = nothing at all, as when it is frozen; otherwise refused. */
export type Mishap = 'lose' | 'hang' | { readonly status: number; readonly code: string };

/** Any request's fields. */
interface Asked {
  readonly claimId?: string;
  readonly requestId?: string;
  readonly waitMs: number;
  readonly free: number;
  readonly leases: readonly { epoch: number }[];
  readonly results: readonly AttemptResult[];
  readonly chunks: readonly LogChunk[];
  readonly fenceRuns?: readonly string[];
}

const REQUESTS = {
  hello: HelloRequest,
  claim: ClaimRequest,
  started: StartedRequest,
  heartbeat: HeartbeatRequest,
  complete: CompleteRequest,
  logs: LogsRequest,
  leave: LeaveRequest,
};

export class FakeApi {
  readonly calls: Call[] = [];
  readonly results: AttemptResult[] = [];
  readonly refuseStart = new Set<number>();
  readonly stop = new Set<number>();
  readonly unknown = new Set<number>();
  heartbeatMs = 50;
  /** What hello says; absent as of an API of before. */
  record: string | undefined;
  /** Runs that have left its record. */
  readonly archived = new Set<string>();
  /** Asked for each call before it is carried out. */
  mishap: (call: Call, index: number) => Mishap | undefined = () => undefined;
  /** How long the answer to a call is under way, ms. */
  delayOf: (call: Call, index: number) => number = () => 0;
  url = '';
  readonly #waiting: Task[] = [];
  readonly #answers = new Map<string, unknown>();
  /** Epochs whose logs cannot be stored. */
  readonly full = new Set<number>();
  /** What was stored, and the place after it in all that the attempt wrote. */
  readonly #logs = new Map<number, { stored: Buffer[]; end: number }>();
  #server = createServer((request, response) => void this.#serve(request, response));
  #wake: (() => void)[] = [];

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async end(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Away, and back under the same address. */
  async startAgain(): Promise<void> {
    const { port } = new URL(this.url);
    this.#server = createServer((request, response) => void this.#serve(request, response));
    await this.start(Number(port));
  }

  offer(...tasks: Task[]): void {
    this.#waiting.push(...tasks);
    for (const wake of this.#wake.splice(0)) wake();
  }

  of(operation: string): Call[] {
    return this.calls.filter((call) => call.operation === operation);
  }

  result(epoch: number): AttemptResult | undefined {
    return this.results.find((one) => one.epoch === epoch);
  }

  log(epoch: number): Buffer {
    return Buffer.concat(this.#logs.get(epoch)?.stored ?? []);
  }

  logEnd(epoch: number): number {
    return this.#logs.get(epoch)?.end ?? 0;
  }

  logText(epoch: number): string {
    return this.log(epoch).toString();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    const operation = request.url!.split('/').at(-1) as keyof typeof REQUESTS;
    const call = { operation, body };
    this.calls.push(call);
    const send = (status: number, answer: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    };
    const index = this.of(operation).length - 1;
    const mishap = this.mishap(call, index);
    if (mishap === 'hang') return;
    if (typeof mishap === 'object')
      return send(mishap.status, { code: mishap.code, detail: 'refused by the test' });
    const asked = REQUESTS[operation].parse(JSON.parse(body)) as unknown as Asked;
    const id: string | undefined = asked.claimId ?? asked.requestId;
    const answer =
      (id !== undefined && this.#answers.get(id)) ||
      (await this.#answer(operation, asked, () => response.destroyed));
    if (id !== undefined) this.#answers.set(id, answer);
    if (mishap === 'lose') return void response.destroy();
    await new Promise((resolve) => setTimeout(resolve, this.delayOf(call, index)));
    send(200, answer);
  }

  async #answer(operation: keyof typeof REQUESTS, asked: Asked, isGone: () => boolean): Promise<unknown> {
    const stop = [...this.stop];
    switch (operation) {
      case 'hello':
        return HelloAnswer.parse({
          leaseMs: 1_000,
          heartbeatMs: this.heartbeatMs,
          orphanMs: 60_000,
          record: this.record,
        });
      case 'claim': {
        if (this.#waiting.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake.push(resolve);
            setTimeout(resolve, asked.waitMs);
          });
        }
        // A process that left gets nothing; the next one does.
        if (isGone()) return undefined;
        return ClaimAnswer.parse({ tasks: this.#waiting.splice(0, asked.free), stop });
      }
      case 'started': {
        const epochs = asked.leases.map(({ epoch }) => epoch);
        const refused = epochs.filter((epoch) => this.refuseStart.has(epoch));
        return StartedAnswer.parse({
          ok: epochs.filter((epoch) => !this.refuseStart.has(epoch)),
          refused: refused.map((epoch) => ({ epoch, code: 'stale_lease' })),
          stop,
        });
      }
      case 'heartbeat':
        return HeartbeatAnswer.parse({
          stop,
          unknown: [...this.unknown],
          archived: asked.fenceRuns?.filter((run) => this.archived.has(run)),
        });
      case 'complete': {
        const { results } = asked;
        this.results.push(...results);
        return CompleteAnswer.parse({ accepted: results.map(({ epoch }) => epoch), stale: [], stop });
      }
      case 'logs':
        for (const { epoch, offset, data } of asked.chunks) {
          if (this.full.has(epoch)) continue;
          const log = this.#logs.get(epoch) ?? { stored: [], end: 0 };
          const bytes = Buffer.from(data, 'base64');
          log.stored.push(bytes.subarray(Math.max(0, Math.min(bytes.length, log.end - offset))));
          log.end = Math.max(log.end, offset + bytes.length);
          this.#logs.set(epoch, log);
        }
        return { stop, refused: asked.chunks.flatMap(({ epoch }) => (this.full.has(epoch) ? [epoch] : [])) };
      case 'leave':
        return {};
      default:
        return operation satisfies never;
    }
  }
}
