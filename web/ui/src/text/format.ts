// Figures in words, in the reader's language. Sizes are binary, times are UTC as in the API.

export type Language = "en" | "zh";

export interface Format {
  language: Language;
  size(bytes: number): string;
  /** A duration in the unit that fits. */
  duration(seconds: number): string;
  percent(share: number | null | undefined): string;
  count(number: number): string;
  /** A large number in few signs: `1.4B`, or `14亿`. */
  compact(number: number): string;
  /** A number of no unit, to three digits. */
  plain(number: number): string;
  /** Time saved for each GiB held. */
  density(secondsPerByte: number): string;
  /** Round steps of an axis from zero to about `max`, all in one unit. */
  durationTicks(max: number): Ticks;
  sizeTicks(max: number): Ticks;
  rate(bytesPerSecond: number): string;
  /** `22 Nov`, or `11月22日`. */
  day(date: string): string;
  /** With the time of day. */
  moment(at: string): string;
  hour(at: string): string;
  list(names: string[]): string;
}

export interface Ticks {
  step: number;
  /** The first step at or above the largest value. */
  end: number;
  format(value: number): string;
}

/** Less than a millionth of a second is nothing that anyone waits for. */
const SECONDS_MIN = 5e-7;

export const NOTHING = "–";

const SIZE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DURATION_UNITS: Record<Language, { us: string; ms: string; s: string; min: string; h: string }> = {
  en: { us: "µs", ms: "ms", s: "s", min: "min", h: "h" },
  zh: { us: "微秒", ms: "毫秒", s: "秒", min: "分钟", h: "小时" },
};

export function formatOf(language: Language): Format {
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const short = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  const one = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const compact = new Intl.NumberFormat(language === "zh" ? locale : "en-US", {
    notation: "compact",
    maximumSignificantDigits: 3,
  });
  const units = DURATION_UNITS[language];
  const utc = { timeZone: "UTC" } as const;
  const dayForm = new Intl.DateTimeFormat(locale, { ...utc, day: "numeric", month: "short" });
  const hourForm = new Intl.DateTimeFormat(locale, { ...utc, hour: "2-digit", minute: "2-digit", hour12: false });
  const listForm = new Intl.ListFormat(locale, { type: "conjunction" });

  /** One decimal below a hundred, none above: as many digits as anyone compares. */
  const digits = (value: number) => (Math.abs(value) >= 100 ? whole : one).format(value);

  function size(bytes: number): string {
    let value = bytes;
    let unit = 0;
    while (Math.abs(value) >= 1024 && unit < SIZE_UNITS.length - 1) {
      value /= 1024;
      unit += 1;
    }
    return `${unit === 0 ? whole.format(value) : digits(value)} ${SIZE_UNITS[unit]}`;
  }

  function duration(seconds: number): string {
    const amount = Math.abs(seconds);
    if (amount < SECONDS_MIN) return `0 ${units.s}`;
    if (amount >= 7200) return `${digits(seconds / 3600)} ${units.h}`;
    if (amount >= 120) return `${digits(seconds / 60)} ${units.min}`;
    if (amount >= 1) return `${digits(seconds)} ${units.s}`;
    if (amount >= 0.001) return `${short.format(seconds * 1000)} ${units.ms}`;
    return `${short.format(seconds * 1e6)} ${units.us}`;
  }

  return {
    language,
    size,
    duration,
    percent: (share) =>
      share === null || share === undefined || Number.isNaN(share)
        ? NOTHING
        : `${share > 0 && share < 0.1 ? one.format(share * 100) : whole.format(share * 100)}%`,
    count: (number) => whole.format(number),
    plain: (number) => short.format(number),
    compact: (number) => (number < 100_000 ? whole : compact).format(number),
    density: (secondsPerByte) => `${duration(secondsPerByte * 2 ** 30)}/GiB`,
    durationTicks: (max) => {
      const [unit, name] =
        max >= 7200 ? [3600, units.h] : max >= 120 ? [60, units.min] : max >= 1 ? [1, units.s] : [0.001, units.ms];
      return ticks(max, unit, (amount) => `${short.format(amount)} ${name}`);
    },
    sizeTicks: (max) => {
      const power = Math.max(0, Math.min(Math.floor(Math.log2(Math.max(max, 1)) / 10), SIZE_UNITS.length - 1));
      return ticks(max, 1024 ** power, (amount) => `${short.format(amount)} ${SIZE_UNITS[power]}`);
    },
    rate: (bytesPerSecond) => `${size(bytesPerSecond)}/s`,
    day: (date) => dayForm.format(new Date(date.length === 10 ? `${date}T00:00:00Z` : date)),
    moment: (at) => `${dayForm.format(new Date(at))} ${hourForm.format(new Date(at))}`,
    hour: (at) => hourForm.format(new Date(at)),
    list: (names) => listForm.format(names),
  };
}

/** Three to six steps of 1, 2 or 5 of the unit, times a power of ten. */
function ticks(max: number, unit: number, say: (amount: number) => string): Ticks {
  const rough = Math.max(max / unit, 1e-9) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10;
  const step = round * power * unit;
  return {
    step,
    end: Math.ceil((max / step) * 0.999) * step,
    format: (value) => (value === 0 ? "0" : say(value / unit)),
  };
}
