// One JSON call. Answers that are not 2xx become an ApiError that carries the problem+json.

const SECONDS = 30;

/** The server answered, and it is not what was asked for. `errors` are [{detail, pointer}]. */
export class ApiError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.kind = String(problem.type ?? "").split(":").pop(); // the last word of its URN
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.retryAfter = retryAfter; // seconds, or null
  }
}

/** No answer came: offline, cut, or too late. */
export class NetworkError extends Error {}

/** Whether the same request may be sent again and succeed. */
export function isPassing(error) {
  return (
    error instanceof NetworkError || [408, 409, 425, 429, 500, 502, 503, 504].includes(error.status)
  );
}

/** Send it; the Response where the status is 2xx. Ends with NetworkError after `seconds`. */
export async function send(
  method,
  path,
  { headers = {}, body, accept = "application/json", seconds = SECONDS } = {},
) {
  const init = {
    method,
    headers: { Accept: accept, ...headers },
    cache: "no-store",
    signal: AbortSignal.timeout(seconds * 1000),
  };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new NetworkError("Kindred cannot be reached right now.");
  }
  if (!response.ok)
    throw new ApiError(response.status, await problemOf(response), retryAfter(response));
  return response;
}

/** Send it; the JSON of the answer, or null where there is none. */
export async function call(method, path, options) {
  return jsonOf(await send(method, path, options));
}

/** The JSON of an answer, or null where it has none. */
export async function jsonOf(response) {
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new NetworkError("The answer was cut off.");
  }
}

async function problemOf(response) {
  try {
    const problem = await response.json();
    return problem && typeof problem === "object" ? problem : {};
  } catch {
    return {};
  }
}

function retryAfter(response) {
  const text = response.headers.get("Retry-After");
  if (!text) return null;
  const seconds = /^\d+$/.test(text.trim()) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

/** "a=1&b=2" of what is set. */
export function query(values) {
  const set = Object.entries(values).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  const text = new URLSearchParams(set).toString();
  return text ? `?${text}` : "";
}
