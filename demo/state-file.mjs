// oidc-provider's storage in one map that is kept in a file: a restart forgets no client, session
// or refresh token, because a client that registered itself can't recover from being forgotten.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const WRITE_AFTER_MS = 100;

/** `file` may be undefined: then nothing outlives the process. `document` is the caller's to extend. */
export function open_state(file) {
  const { entries: stored = [], ...document } = file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const entries = new Map(stored); // 'Kind:id' -> { value, expires: ms, absent if never }
  const expired = (entry) => entry.expires !== undefined && entry.expires <= Date.now();
  let timer;

  const write = () => {
    timer = undefined;
    for (const [key, entry] of entries) if (expired(entry)) entries.delete(key);
    const next = `${file}.${process.pid}`;
    writeFileSync(next, JSON.stringify({ ...document, entries: [...entries] }), { mode: 0o600 });
    renameSync(next, file);
  };
  const touch = () => { if (file) timer ??= setTimeout(write, WRITE_AFTER_MS); };
  const flush = () => { if (timer) { clearTimeout(timer); write(); } };
  const get = (key) => { const entry = entries.get(key); return entry && !expired(entry) ? entry.value : undefined; };

  class Adapter {
    constructor(kind) { this.prefix = `${kind}:`; }
    async upsert(id, value, seconds) { entries.set(this.prefix + id, { value, ...(seconds && { expires: Date.now() + seconds * 1000 }) }); touch(); }
    async find(id) { return get(this.prefix + id); }
    async destroy(id) { entries.delete(this.prefix + id); touch(); }
    async consume(id) { const value = get(this.prefix + id); if (value) { value.consumed = Math.floor(Date.now() / 1000); touch(); } }
    async findByUid(uid) { return this.#find_by('uid', uid); }
    async findByUserCode(code) { return this.#find_by('userCode', code); }
    async revokeByGrantId(grant_id) {
      for (const [key, entry] of entries) if (key.startsWith(this.prefix) && entry.value.grantId === grant_id) entries.delete(key);
      touch();
    }
    #find_by(field, value) {
      for (const [key, entry] of entries) if (key.startsWith(this.prefix) && entry.value[field] === value) return get(key);
      return undefined;
    }
  }
  return { document, Adapter, touch, flush };
}
