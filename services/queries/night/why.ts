/** Why flows have not run, and which have waited for long: Q10, Q17. */
import { z } from 'zod';
import { GivenId, listOf, text } from '../../../contract/fields.ts';
import { SluiceError } from '../../../errors.ts';
import { whyFlow } from '../../../graph/why/why.ts';
import type { RunContext } from '../../../store/record/run-context.ts';
import { newestRun } from '../../../store/schedules/scheduled-runs.ts';
import { newestOpenings } from '../../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../deps.ts';
import { openContext } from '../../runs/find.ts';
import { contextOrCause, readWithOthers, vertexOf, whyAbsent } from '../../why/why-answer.ts';
import { programName } from '../program.ts';
import {
  defineQuery,
  instantColumn,
  listColumn,
  minutes,
  namesColumn,
  numberColumn,
  textColumn,
} from '../query.ts';
import { DayInput, FlowFilter, flowsOf, scopeOfDate, usualRun } from '../scope.ts';
import { causesOf } from './causes.ts';
import { openFlows } from './due.ts';

export const q10 = defineQuery({
  id: 'Q10',
  category: 'exception',
  names: { en: 'Long-waiting flows', zh: '等待流程查询' },
  question: { en: 'Which flows have been waiting for a long time?', zh: '哪些流程长时间等待运行？' },
  rule: {
    en: 'Flows that have waited for upstream flows or for an agent for at least `minWaitMinutes`. Waiting for an agent counts from the release of the flow; waiting for upstream flows, from the opening of the run or from the rerun.',
    zh: '等待前置或等待代理达到 minWaitMinutes 分钟的流程：等待代理自放行起算，等待前置自运行打开（或重跑）起算。',
  },
  input: { ...DayInput, ...FlowFilter, minWaitMinutes: z.coerce.number().min(0).default(60) },
  columns: {
    flowId: textColumn('flow', '流程'),
    name: namesColumn('name', '名称'),
    state: textColumn('state', '状态'),
    waitingSince: instantColumn('waiting since', '等待起始'),
    waitMin: numberColumn('minutes', '等待分钟'),
    blockers: listColumn('waits for', '等待内容'),
  },
  example: 'minWaitMinutes=60',
  async answer(deps, { date, minWaitMinutes, ...filter }) {
    const scope = await scopeOfDate(deps, date);
    const causes = causesOf(deps);
    const rows = [];
    for (const { run, flow, row } of openFlows(await flowsOf(deps, scope, filter))) {
      if (row.state !== 'waiting_upstream' && row.state !== 'waiting_agent') continue;
      const { reading, why } = await causes(run);
      const v = run.index.get(flow.id)!;
      const since = row.state === 'waiting_agent' ? row.releasedAt! : reading.facts.generationAt[v]!;
      const waited = scope.now - since;
      if (waited < minWaitMinutes * 60_000) continue;
      const blockers = why(v, 1).blockers.map(({ code, from, by }) =>
        [code, from ?? by].filter(Boolean).join(':'),
      );
      rows.push({
        flowId: flow.id,
        name: flow.names,
        state: row.state,
        waitingSince: since,
        waitMin: minutes(waited),
        blockers,
      });
    }
    rows.sort((a, b) => a.waitingSince - b.waitingSince || (a.flowId < b.flowId ? -1 : 1));
    return { about: { date: scope.period }, rows };
  },
});

export const q17 = defineQuery({
  id: 'Q17',
  category: 'exception',
  names: { en: 'Why a flow has not run', zh: '查程序未运行原因' },
  question: { en: 'Why has this program not run?', zh: '这个程序为什么没有运行？' },
  rule: {
    en: 'All final causes of the given flows (ids, former names or program files), found by following unmet conditions, also into other runs; a loop counts as one flow. See docs/answers.md.',
    zh: '沿未满足条件向上查找的全部最终原因（可给出流程号、曾用名或程序文件），跨运行；互相依赖的环视为一个节点。见 docs/answers.md。',
  },
  input: {
    flow: listOf(GivenId).optional(),
    /** Default: the newest month run when the flow is in it, else the newest day run. */
    run: text(60).optional(),
    causes: z.coerce.number().int().min(1).max(1_000).default(100),
  },
  columns: {
    target: textColumn('flow', '流程'),
    state: textColumn('state', '状态'),
    node: textColumn('at', '原因所在'),
    causeRun: textColumn('run', '运行'),
    causeCode: textColumn('cause', '原因'),
    text: namesColumn('text', '说明'),
    since: instantColumn('since', '起始'),
    blocks: numberColumn('blocks', '阻塞流程数'),
    chain: listColumn('chain', '链路'),
    owner: textColumn('owner', '负责人'),
    suggestedProcedure: textColumn('procedure', '处置规程'),
    command: textColumn('command', '命令'),
  },
  example: 'flow=P04.S3.DwdMergeBillDtl4M',
  async answer(deps, { flow, run, causes }) {
    if (flow === undefined || flow.length === 0)
      throw new SluiceError('invalid_request', 'name at least one flow: flow=ID');
    const rows = [];
    const about: Record<string, string> = {};
    for (const asked of flow) {
      const of = run ?? (await runWith(deps, asked));
      about.run = of;
      for (const cause of await causesIn(deps, of, asked, causes)) rows.push(cause);
    }
    return { about, rows };
  },
});

async function causesIn(deps: ServiceDeps, run: string, asked: string, limit: number) {
  const found = await contextOrCause(deps, run, asked);
  const row = (
    target: string,
    state: string | null,
    cause: Awaited<ReturnType<typeof whyAbsent>>['cause'],
  ) => ({
    target,
    state,
    node: cause.flow,
    causeRun: cause.run,
    causeCode: cause.code,
    text: cause.text,
    since: cause.since,
    blocks: cause.blocks,
    chain: cause.chain,
    owner: cause.owner,
    suggestedProcedure: cause.remedy.procedure,
    command: cause.remedy.command,
  });
  if ('cause' in found) return [row(asked, null, found.cause)];
  const { context } = found;
  const v = vertexNamed(context, asked);
  if (v < 0) return [row(asked, null, (await whyAbsent(deps, context, asked)).cause)];
  const { asked: read, others } = await readWithOthers(deps, context, v);
  const answer = whyFlow(read, v, limit, others);
  return answer.causes.map((cause) => row(answer.flow, answer.state, cause));
}

/** The vertex of a flow by its id, a former name, or the name of its program (`DwdMergeBillM` of `programs/DwdMergeBillM.sql`); -1: none. */
function vertexNamed(context: RunContext, asked: string): number {
  const v = vertexOf(context, asked);
  if (v >= 0) return v;
  return context.graph.ids.findIndex((id) => {
    const { program } = context.flow(id);
    return program?.type === 'sql' && programName(program) === asked;
  });
}

/** The newest month run if it has the flow, else the newest day run; if there is no day run, the month run all the same. Throws `unknown_run`. */
async function runWith(deps: ServiceDeps, asked: string): Promise<string> {
  const month = await newestRun(deps.pool, 'month', await newestOpenings(deps));
  if (month !== null && vertexNamed(await openContext(deps, month), asked) >= 0) return month;
  return (await newestRun(deps.pool, 'day', await newestOpenings(deps))) ?? usualRun(deps);
}
