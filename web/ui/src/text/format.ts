// Figures in words, in the reader's language. Sizes are binary, times are UTC as in the API.

export type Language = "en" | "zh";

export interface Format {
  language: Language;
  size(bytes: number): string;
  /** A duration in the unit that fits. */
  duration(seconds: number): string;
  percent(share: number | null | undefined): string;
  count(number: number): string;
  /** A number of no unit, to three digits. */
  plain(number: number): string;
  /** Seconds saved for each GiB held. */
  density(secondsPerByte: number): string;
  rate(bytesPerSecond: number): string;
  /** `22 Nov`, or `11月22日`. */
  day(date: string): string;
  /** With the time of day. */
  moment(at: string): string;
  hour(at: string): string;
  list(names: string[]): string;
}

export const NOTHING = "–";

const SIZE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DURATION_UNITS: Record<Language, { ms: string; s: string; min: string; h: string }> = {
  en: { ms: "ms", s: "s", min: "min", h: "h" },
  zh: { ms: "毫秒", s: "秒", min: "分钟", h: "小时" },
};
const DENSITY_UNIT: Record<Language, string> = { en: "s/GiB", zh: "秒/GiB" };

export function formatOf(language: Language): Format {
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const short = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  const one = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
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
    if (amount === 0) return `0 ${units.s}`;
    if (amount >= 7200) return `${digits(seconds / 3600)} ${units.h}`;
    if (amount >= 120) return `${digits(seconds / 60)} ${units.min}`;
    if (amount >= 1) return `${digits(seconds)} ${units.s}`;
    return `${short.format(seconds * 1000)} ${units.ms}`;
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
    density: (secondsPerByte) => {
      const perGib = secondsPerByte * 2 ** 30;
      return `${perGib >= 0.1 || perGib === 0 ? digits(perGib) : short.format(perGib)} ${DENSITY_UNIT[language]}`;
    },
    rate: (bytesPerSecond) => `${size(bytesPerSecond)}/s`,
    day: (date) => dayForm.format(new Date(date.length === 10 ? `${date}T00:00:00Z` : date)),
    moment: (at) => `${dayForm.format(new Date(at))} ${hourForm.format(new Date(at))}`,
    hour: (at) => hourForm.format(new Date(at)),
    list: (names) => listForm.format(names),
  };
}
