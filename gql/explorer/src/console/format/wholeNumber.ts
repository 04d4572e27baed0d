// Whole numbers as they are written: 1000, 1 000, 1,000, 1_000, 1e3 or 10^3. Null if the text is another one, or
// the number is too large to be exact.
const SEPARATORS = /[\s,._'’]/g;
const DIGITS = /^\d+$/;
const POWER = /^(\d+)(?:e|[*x×]10\^)(\d{1,2})$/i;
const POWER_OF_TEN = /^10\^(\d{1,2})$/;

export function wholeNumber(text: string): number | null {
  const plain = text.replace(SEPARATORS, "");
  const [, factor, exponent] = POWER.exec(plain) ?? [];
  const [, power] = POWER_OF_TEN.exec(plain) ?? [];
  let value = NaN;
  if (DIGITS.test(plain)) value = Number(plain);
  else if (factor !== undefined && exponent !== undefined) value = Number(`${factor}e${exponent}`);
  else if (power !== undefined) value = Number(`1e${power}`);
  return Number.isSafeInteger(value) ? value : null;
}
