/** `sluice flow retirement FLOW`: what to know before a flow is retired, as a page. */
import type { Retirement } from '../../contract/retirement.ts';
import { part } from '../client.ts';
import { retirementLines } from '../text/retirement.ts';
import type { Tree } from '../tree.ts';

export function addRetirementCommand({ help, does }: Tree, flow: Tree['root']): void {
  flow
    .command('retirement <flow>')
    .description(help('flow_retirement'))
    .action(
      does(async (session, [id]) => {
        const sheet = await session.client.get<Retirement>(`/flows/${part(id!)}/retirement`);
        session.answer(sheet, (entry) => retirementLines(entry, session));
        return undefined;
      }),
    );
}
