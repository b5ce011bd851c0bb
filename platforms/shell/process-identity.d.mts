/** Identity of the living process `pid` within one boot; undefined when there is none (a zombie counts as none). */
export function processIdentity(pid: number): string | undefined;
