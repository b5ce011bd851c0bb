/** Numbers that stand in a text: whether a double keeps what was written. */

/** A text that is the same for equal decimal numbers, such as `1.10` and `11e-1`; null when `source` is no decimal number. */
function canonical(source: string): string | null {
  const match = /^([-+]?)(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(source);
  if (match === null) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const shift = Number(exponent) - fraction.length + digits.length - significant.length;
  return `${sign === '-' ? '-' : ''}${significant}e${shift}`;
}

/** Whether reading `source` as a number loses nothing: 1.10, 1e3 and 0x1F are exact, 20 digits and 0.10000000000000000001 are not. */
export function isExact(source: string): boolean {
  const written = canonical(source);
  if (written === null) {
    // Hexadecimal and octal are whole numbers; what is infinite or no number is left to the schemas.
    return !/^0[xo]/.test(source) || Number.isSafeInteger(Number(source));
  }
  return written === canonical(String(Number(source)));
}
