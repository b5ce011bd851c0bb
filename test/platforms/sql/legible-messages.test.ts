import { EventEmitter } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { keepBytesOfMessages } from '../../../platforms/sql/legible-messages.ts';
import { createSqlPlatform } from '../../../platforms/sql/sql.ts';
import { contextOf, sqlSpec, taskOf } from '../task.ts';

const name = `ascii_${process.pid}`;
const url = new URL(inject('serverUrl'));
url.pathname = `/${name}`;
const platform = createSqlPlatform({ connections: { yt: url.href }, defaultConnection: 'yt' });

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('serverUrl') });
  await client.connect();
  await client.query(statement);
  await client.end();
}
beforeAll(() =>
  onServer(
    `create database ${name} template template0 encoding 'SQL_ASCII' locale_provider libc lc_collate 'C' lc_ctype 'C'`,
  ),
);
afterAll(() => onServer(`drop database ${name} with (force)`));

/** The bytes of GBK 中文, which are no UTF-8. */
const GBK = `convert_from(decode('d6d0cec4', 'hex'), 'SQL_ASCII')`;
const SHOWN = '\\xd6\\xd0\\xce\\xc4';

it('a server of SQL_ASCII: what is no UTF-8 in notices and errors is shown as bytes, all else as it is', async () => {
  const context = contextOf();
  const sql = `
    create table t (n int);
    do $$ begin raise notice '中 % é', ${GBK}; raise notice 'plain'; end $$;
    insert into t select generate_series(1, 1000);
    do $$ begin raise exception 'no: %', ${GBK} using hint = 'é ' || ${GBK}; end $$;`;
  const ending = await platform.execute(taskOf(sqlSpec(sql)), context);
  const log = context.text();
  expect(log).toContain(`NOTICE: 中 ${SHOWN} é\n`);
  expect(log).toContain('NOTICE: plain\n');
  expect(log).toContain('-- INSERT 1000 rows');
  expect(ending).toMatchObject({ outcome: 'failed', kind: 'program' });
  expect((ending as { message: string }).message).toContain(`no: ${SHOWN} (P0001)`);
  expect((ending as { message: string }).message).toContain(`hint: é ${SHOWN}`);
});

it('messages may be cut anywhere', () => {
  const message = (code: string, content: Buffer): Buffer => {
    const header = Buffer.alloc(5);
    header.write(code);
    header.writeUInt32BE(content.length + 4, 1);
    return Buffer.concat([header, content]);
  };
  const notice = (text: Buffer) => message('N', Buffer.concat([Buffer.from('M'), text, Buffer.from([0, 0])]));
  const row = message('D', Buffer.from([0xd6, 0xd0, 0, 0x4e, 0xff]));
  const bytes = Buffer.concat([
    row,
    notice(Buffer.from([0xd6, 0xe4, 0xb8, 0xad])),
    message('Z', Buffer.from('I')),
    row,
  ]);
  const wanted = Buffer.concat([row, notice(Buffer.from('\\xd6中')), message('Z', Buffer.from('I')), row]);
  const client = new pg.Client();
  const read: Buffer[] = [];
  const { connection } = client as unknown as {
    connection: { attachListeners(stream: EventEmitter): void };
  };
  connection.attachListeners = (stream) => void stream.on('data', (chunk: Buffer) => read.push(chunk));
  keepBytesOfMessages(client);
  for (let first = 0; first <= bytes.length; first++)
    for (let second = first; second <= bytes.length; second++) {
      read.length = 0;
      const stream = new EventEmitter();
      connection.attachListeners(stream);
      for (const [from, to] of [
        [0, first],
        [first, second],
        [second, bytes.length],
      ])
        stream.emit('data', bytes.subarray(from, to));
      expect(Buffer.concat(read)).toEqual(wanted);
    }
});
