// Numbers for the reader: grouped, and short where there is little room.
const grouped = new Intl.NumberFormat(undefined);
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

export const formatNumber = (value: number): string => grouped.format(value);

// Rounds down: 100 % means complete.
export const formatRatio = (ratio: number): string => percent.format(Math.floor(ratio * 100) / 100);

export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(bytes || 1) / 3)));
  const unit = UNITS[power];
  // Short, "byte" has no plural.
  const unitDisplay = unit === "byte" ? "long" : "short";
  const options = { style: "unit", unit, unitDisplay, maximumSignificantDigits: 3 } as const;
  return new Intl.NumberFormat(undefined, options).format(bytes / 1000 ** power);
}
