/** What failed, why, and who has taken it in hand: Q12. */
import { gaveUpText } from '../../../graph/why/cause-text.ts';
import { decisionsAbout, type FailedAttempt, failedAttempts } from '../../../store/agents/attempt-lists.ts';
import { programOf } from '../program.ts';
import { defineQuery, instantColumn, namesColumn, numberColumn, textColumn, yesColumn } from '../query.ts';
import { DayInput, FlowFilter, fits, grouped, knowGroups, scopeOfDay, scopeOfMonth } from '../scope.ts';

export const q12 = defineQuery({
  id: 'Q12',
  category: 'exception',
  names: { en: 'Failed programs of both platforms', zh: 'YT和MPP所有失败程序及失败原因' },
  question: { en: 'Which programs failed, and why?', zh: '两个平台有哪些失败程序，原因是什么？' },
  rule: {
    en: 'One row for each attempt that failed or was lost, and for the last answer of a check that was given up, in the runs of the day and in the newest month run, newest first. Handled by: the first person who decided something about the flow afterwards.',
    zh: '当日各运行及最近月运行中，每次失败或失联的执行，以及已放弃的检查的最后一次结果，新的在前；处理人为其后首个干预该流程的人员。',
  },
  input: { ...DayInput, ...FlowFilter },
  columns: {
    platform: textColumn('platform', '平台'),
    flowId: textColumn('flow', '流程'),
    program: textColumn('program', '程序'),
    period: textColumn('period', '账期'),
    failedAt: instantColumn('failed', '失败时间'),
    attempt: textColumn('attempt', '执行'),
    reason: textColumn('reason', '失败原因'),
    reasonClass: textColumn('class', '原因分类'),
    gaveUp: namesColumn('gave up', '放弃原因'),
    key: yesColumn('key', '重点'),
    handledBy: textColumn('handled by', '处理人'),
    handledAt: instantColumn('handled', '处理时间'),
    rows: numberColumn('rows', '行数'),
  },
  example: 'platform=yt,mpp',
  async answer(deps, { date, ...filter }) {
    const day = await scopeOfDay(deps, date);
    const month = await scopeOfMonth(deps, undefined);
    knowGroups([...day.runs, ...month.runs], filter.group);
    const runs = new Map([...day.runs, ...month.runs].map((run) => [run.run.id, run]));
    const ids = [...runs.keys()];
    const handled = grouped(await decisionsAbout(deps.pool, ids), (entry) => `${entry.run} ${entry.flow}`);
    const rows = (await failedAttempts(deps.pool, ids)).flatMap((attempt) => {
      const run = runs.get(attempt.run)!;
      if (!run.index.has(attempt.flow)) return [];
      const flow = run.flow(attempt.flow);
      if (!fits(flow, filter)) return [];
      const gaveUp = attempt.gaveUp === null ? null : gaveUpText(attempt.gaveUp);
      const by = handled.get(`${attempt.run} ${attempt.flow}`)?.find(({ at }) => at >= attempt.endedAt!);
      return [
        {
          platform: flow.platform ?? null,
          flowId: flow.id,
          program: programOf(flow.program),
          period: run.run.period,
          failedAt: attempt.endedAt,
          attempt: `${attempt.generation}.${attempt.attempt}`,
          reason: attempt.message ?? gaveUp?.en ?? null,
          gaveUp,
          reasonClass: classOf(attempt),
          key: flow.key,
          rows: attempt.rows,
          handledBy: by?.actor ?? null,
          handledAt: by?.at ?? null,
        },
      ];
    });
    return { about: { date: day.period, month: month.period }, rows };
  },
});

const classOf = ({ outcome, failure }: FailedAttempt): string | null =>
  outcome === 'failed' ? failure : outcome;
