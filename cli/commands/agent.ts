/** `sluice agent list|start|drain|undrain|failover`. */
import type { z } from 'zod';
import type { Agent, AgentList, FailoverAnswer } from '../../contract/agents.ts';
import { SluiceError } from '../../errors.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import type { HelpKey } from '../text/help.ts';
import { instant } from '../text/instant.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

type AgentRow = z.infer<typeof Agent>;

export function addAgentCommands(tree: Tree): void {
  const { root, help } = tree;
  const agent = root.command('agent').description(help('agent'));
  agent
    .command('list')
    .description(help('agent_list'))
    .action(
      tree.does(async (session) => {
        const answer = await session.client.get<z.infer<typeof AgentList>>('/agents');
        session.answer(answer, ({ items }) => agentTable(items, session));
        return undefined;
      }),
    );
  agent
    .command('start [name]')
    .description(help('agent_start'))
    .option('--platform <platform>', help('agent_platform'))
    .option('--slots <n>', help('agent_slots'), wholeNumber(1))
    .option('--labels <labels>', help('agent_labels'))
    .action(
      tree.does<{ platform?: string; slots?: number; labels?: string }>(async (session, [name], options) => {
        const token = name === undefined ? undefined : session.tokenOf(name);
        return session.launch('agent/main.ts', {
          ...(name === undefined ? {} : { SLUICE_AGENT_NAME: name }),
          ...(token === undefined ? {} : { SLUICE_TOKEN: token, SLUICE_API_URL: session.client.apiUrl }),
          ...(options.platform === undefined ? {} : { SLUICE_AGENT_PLATFORM: options.platform }),
          ...(options.slots === undefined ? {} : { SLUICE_AGENT_SLOTS: String(options.slots) }),
          ...(options.labels === undefined ? {} : { SLUICE_AGENT_LABELS: options.labels }),
        });
      }),
    );
  for (const verb of ['drain', 'undrain'] as const)
    agent
      .command(`${verb} <agent>`)
      .description(help(`agent_${verb}` as HelpKey))
      .option('--reason <text>', help('reason'))
      .action(
        tree.does<{ reason?: string }>(async (session, [name], { reason }) => {
          const body = reason === undefined ? {} : { reason };
          const steered = await session.client.post<AgentRow>(`/agents/${part(name!)}/${verb}`, body);
          session.answer(steered, (entry) => agentTable([entry], session));
          return undefined;
        }),
      );
  agent
    .command('failover <agent> <to>')
    .description(help('agent_failover'))
    .option('--reason <text>', help('reason'))
    .option('--fenced', help('fenced'))
    .action(
      tree.does<{ reason?: string; fenced?: boolean }>(async (session, [name, to], { reason, fenced }) => {
        if (name === to) throw new SluiceError('usage', 'an agent cannot take over from itself');
        const body = { to, ...(reason === undefined ? {} : { reason }), ...(fenced ? { fenced } : {}) };
        const path = `/agents/${part(name!)}/failover`;
        const answer = await session.client.post<z.infer<typeof FailoverAnswer>>(path, body);
        session.answer(answer, (entry) => [
          ...agentTable([entry.agent], session),
          session.phrase('failed_over', { requeued: entry.requeued, lost: entry.lost }),
        ]);
        return undefined;
      }),
    );
}

function agentTable(agents: readonly AgentRow[], session: Session): string[] {
  const { phrase, paint } = session;
  return table(
    agents,
    [
      { title: phrase('agent'), cell: (entry) => oneLine(entry.name), gives: 0 },
      { title: phrase('platform'), cell: (entry) => oneLine(entry.platform), gives: 0 },
      {
        title: phrase('state'),
        cell: (entry) => agentState(entry, session),
        paint: (text, entry) => paint(entry.alive ? (entry.drained ? 'yellow' : 'green') : 'red', text),
      },
      { title: phrase('slots'), cell: (entry) => `${entry.used}/${entry.slots}`, align: 'right', gives: 0 },
      { title: phrase('seen'), cell: (entry) => instant(entry.seenAt) },
      { title: phrase('labels'), cell: (entry) => oneLine(entry.labels.join(' ')), gives: 2 },
    ],
    session,
  );
}

function agentState(it: AgentRow, { phrase }: Session): string {
  const state = it.alive ? phrase('alive') : it.seenAt === 0 ? phrase('has_left') : phrase('gone');
  const drained = it.drained ? ` ${phrase('drained')}` : '';
  return it.failoverTo === null ? `${state}${drained}` : `${state}${drained} -> ${oneLine(it.failoverTo)}`;
}
