// HTTP/1.1: one call at a time on a connection that is kept.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "load.h"

// Where a chunked body stands: in the line with a chunk's size, in its bytes, in the line end after them, in the
// trailer.
enum { SIZE_LINE, BYTES, BYTES_END, TRAILER };

static bool prepare(struct target* t) {
  const size_t id = find_id(t->body);
  if (id == SIZE_MAX) return false;
  char* out = allocate(strlen(t->path) + 2 * t->headers.size + t->body.size + 256);
  size_t size = (size_t)sprintf(out, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", t->path, t->port);
  for (size_t i = 0; i < t->headers.size; ++i) {
    if (t->headers.data[i] == '\n') out[size++] = '\r';
    out[size++] = t->headers.data[i];
  }
  size += (size_t)sprintf(out + size, "Content-Length: %zu\r\n\r\n", t->body.size);
  t->later.id_at = size + id;
  if (t->token_count > 0) {
    // What differs from call to call: the proof where calls have one, else the token.
    const char* token = memmem(out, size, "\nDPoP: ", 7);
    if (token == NULL) token = memmem(out, size, "Bearer ", 7);
    if (token == NULL || strcspn(token + 7, "\r") != t->token_size) return false;
    t->later.token_at = (size_t)(token + 7 - out);
  }
  memcpy(out + size, t->body.data, t->body.size);
  t->later.bytes = (struct blob){out, size + t->body.size};
  return true;
}

static void opened(struct connection* c) {
  memset(&c->as.h1, 0, sizeof c->as.h1);
  set_call(c, &c->target->later);
}

static void begin(struct connection* c) {
  struct http1_state* s = &c->as.h1;
  s->head_size = 0;
  s->in_body = s->chunked = false;
  c->may_send = c->call.bytes.size;
}

static enum progress take_chunked(struct connection* c, const char* data, size_t size) {
  struct http1_state* s = &c->as.h1;
  for (const char* end = data + size; data < end;) {
    if (s->line_state == BYTES) {
      const size_t part = (size_t)(end - data) < s->left ? (size_t)(end - data) : s->left;
      c->answer_bytes += part;
      s->left -= part;
      data += part;
      if (s->left == 0) s->line_state = BYTES_END;
      continue;
    }
    const char byte = *data++;
    if (byte != '\n') {
      if (byte != '\r' && s->head_size < 16) s->head[s->head_size++] = byte;
      continue;
    }
    s->head[s->head_size] = '\0';
    const bool empty = s->head_size == 0;
    s->head_size = 0;
    if (s->line_state == TRAILER) {
      if (empty) return data == end ? ANSWERED : BROKEN;
    } else if (s->line_state == BYTES_END) {
      s->line_state = SIZE_LINE;
    } else {
      s->left = strtoul(s->head, NULL, 16);
      s->line_state = s->left == 0 ? TRAILER : BYTES;
    }
  }
  return MORE;
}

static enum progress take_body(struct connection* c, const char* data, size_t size) {
  struct http1_state* s = &c->as.h1;
  if (s->chunked) return take_chunked(c, data, size);
  if (size > s->left) return BROKEN;
  c->answer_bytes += size;
  s->left -= size;
  return s->left == 0 ? ANSWERED : MORE;
}

static enum progress take(struct connection* c, const char* data, size_t size) {
  struct http1_state* s = &c->as.h1;
  if (s->in_body) return take_body(c, data, size);
  const size_t before = s->head_size;
  const size_t room = sizeof s->head - 1 - before < size ? sizeof s->head - 1 - before : size;
  memcpy(s->head + before, data, room);
  s->head_size += room;
  s->head[s->head_size] = '\0';
  const char* end = memmem(s->head, s->head_size, "\r\n\r\n", 4);
  if (end == NULL) return s->head_size < sizeof s->head - 1 ? MORE : BROKEN;
  const size_t head = (size_t)(end - s->head) + 4;
  s->head[head - 1] = '\0';
  c->status = strncmp(s->head, "HTTP/1.1 ", 9) == 0 ? atoi(s->head + 9) : 0;
  s->left = 0;
  for (const char* line = strchr(s->head, '\n'); line != NULL; line = strchr(line + 1, '\n')) {
    if (strncasecmp(line + 1, "content-length:", 15) == 0) s->left = strtoul(line + 16, NULL, 10);
    if (strncasecmp(line + 1, "transfer-encoding: chunked", 26) == 0) s->chunked = true;
  }
  s->in_body = true;
  s->line_state = SIZE_LINE;
  s->head_size = 0;
  const size_t used = head - before;
  return size == used && (s->chunked || s->left > 0) ? MORE : take_body(c, data + used, size - used);
}

const struct protocol http1 = {"http1", false, NULL, prepare, opened, begin, take};
const struct protocol https1 = {"tls", true, "\10http/1.1", prepare, opened, begin, take};
