// Server-sent events of one answer, read from a fetch; plain JSON answers are taken as well.

import { ApiError, NetworkError } from "../lib/http.js";

/** The reply of a chat answer: that of its last `reply` event, or its JSON. */
export async function lastReply(response, onTyping) {
  const type = response.headers.get("Content-Type") ?? "";
  try {
    if (!type.startsWith("text/event-stream")) return await response.json();
    for await (const { event, data } of events(response.body)) {
      if (event === "typing") onTyping?.();
      if (event === "reply") return JSON.parse(data);
      if (event === "error") throw failure(JSON.parse(data));
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new NetworkError("The answer was cut off.");
  }
  throw new NetworkError("The answer ended early.");
}

function failure(problem) {
  return new ApiError(Number(problem.status) || 500, problem, Number(problem.retry_after) || null);
}

/** The events of a byte stream, as {event, data}. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) yield parse(block);
    }
  } finally {
    void drain(reader);
  }
}

/** Let the server end the stream: hanging up on it would look like a person who left. */
async function drain(reader) {
  try {
    while (!(await reader.read()).done);
  } catch {
    // It was cut; what was wanted of it has been read.
  }
}

function parse(block) {
  let event = "message";
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  }
  return { event, data: data.join("\n") };
}
