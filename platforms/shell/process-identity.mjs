/**
 * Which process is which: a process id alone names nothing, because ids are used again. Plain JavaScript, because the
 * wrapper of shell programs uses it and must start fast (TypeScript costs it 30 ms and 17 MB); types: the .d.mts beside.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/**
 * Identity of the living process `pid`: its start time within one boot of the machine; undefined when there is none
 * (a zombie counts as none).
 */
export function processIdentity(pid) {
  if (existsSync('/proc/self/stat')) return fromProc(pid);
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    const text = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], options).trim();
    return text === '' || text.startsWith('Z') ? undefined : text.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}

function fromProc(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may itself hold blanks and brackets: the fields begin after the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`;
  } catch {
    return undefined;
  }
}
