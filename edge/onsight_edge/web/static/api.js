// Requests to the server: JSON in, JSON out; an error's message is a line for people.

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, "unreachable", "the device does not answer");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const error = body?.error ?? {};
  throw new ApiError(response.status, error.code ?? "error", error.message ?? `the device answered ${response.status}`);
}

export const read = async (path) => (await request(path)).json();

export async function send(path, value, method = "POST") {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method, headers, body: JSON.stringify(value) })).json();
}
