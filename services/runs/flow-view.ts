/** A flow as lists show it: its row in the record with its definition in the catalogue. */

import type { Flow, FlowFlag } from '../../contract/flows.ts';
import type { Flow as FlowDefinition } from '../../graph/model.ts';
import { FLAG } from '../../graph/run/state.ts';
import type { FlowStateRow } from '../../store/history/flows.ts';

const BITS: readonly (readonly [FlowFlag, number])[] = [
  ['held', FLAG.HELD],
  ['skip', FLAG.SKIP],
  ['expedite', FLAG.EXPEDITE],
  ['confirmed', FLAG.CONFIRMED],
  ['tainted', FLAG.TAINTED],
  ['stale', FLAG.STALE],
  ['stopping', FLAG.STOPPING],
  ['ending', FLAG.ENDING],
  ['rerun_pending', FLAG.RERUN_PENDING],
  ['rerun_member', FLAG.MEMBER],
  ['started_now', FLAG.STARTED_NOW],
  ['excluded', FLAG.EXCLUDED],
];

export function flagsOf(row: Pick<FlowStateRow, 'flags' | 'stopping'>): FlowFlag[] {
  return BITS.filter(([name, bit]) => (row.flags & bit) !== 0 || (name === 'stopping' && row.stopping)).map(
    ([name]) => name,
  );
}

export function toFlowResponse(flow: FlowDefinition, row: FlowStateRow): Flow {
  return {
    id: flow.id,
    names: flow.names,
    kind: flow.kind,
    runner: flow.runner,
    layer: flow.layer,
    procedure: flow.procedure ?? null,
    step: flow.step ?? null,
    platform: flow.platform ?? null,
    owner: flow.owner ?? null,
    key: flow.key,
    state: row.state,
    flags: flagsOf(row),
    generation: row.generation,
    attempt: row.attempt,
    releasedAt: row.releasedAt,
    agent: row.agent,
    sentAt: row.sentAt,
    startedAt: row.startedAt,
    resultAt: row.resultAt,
    startTime: row.start === 0 ? null : row.start,
    deadline: row.deadline === 0 ? null : row.deadline,
  };
}
