// Times come as Unix seconds or as ISO 8601; they are shown in the reader's own zone and habit.

/** A Date of either form; the present where there is none. */
export function dateOf(value) {
  if (typeof value === "number") return new Date(value * 1000);
  const date = value ? new Date(value) : new Date();
  return Number.isNaN(date.getTime()) ? new Date() : date;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const SHORT_DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const clock = (date) => CLOCK.format(date);
export const full = (date) => FULL.format(date);

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const daysAgo = (date) => Math.round((midnight(new Date()) - midnight(date)) / 86_400_000);

/** "Today", "Yesterday", or the day's name and date. */
export function dayName(date) {
  return ["Today", "Yesterday"][daysAgo(date)] ?? DAY.format(date);
}

/** For lists: the clock today, else the day. */
export function brief(date) {
  return daysAgo(date) === 0
    ? clock(date)
    : (["", "Yesterday"][daysAgo(date)] ?? SHORT_DAY.format(date));
}
