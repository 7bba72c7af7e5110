// HTTP/2 over TLS (RFC 9113), as much of it as a client needs that has one stream open at a time: headers that are put
// into the header table by the first call and are indices from then on (RFC 7541), and the windows of both directions.
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { FRAME_HEAD = 9, MOST_PAYLOAD = 16384, FIRST_WINDOW = 65535, WINDOW_GIVEN_BACK = 1 << 28 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static size_t put_u32(char* out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = (char)(value >> (24 - 8 * i));
  return 4;
}

static uint32_t get_u32(const unsigned char* in) {
  return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static size_t put_frame(char* out, size_t size, int type, int flags, uint32_t stream) {
  out[0] = (char)(size >> 16);
  out[1] = (char)(size >> 8);
  out[2] = (char)size;
  out[3] = (char)type;
  out[4] = (char)flags;
  put_u32(out + 5, stream);
  return FRAME_HEAD;
}

static size_t frame_size(const char* frame) {
  return (size_t)(unsigned char)frame[0] << 16 | (size_t)(unsigned char)frame[1] << 8 | (unsigned char)frame[2];
}

// A string without Huffman coding (RFC 7541, 5.2).
static size_t put_text(char* out, const char* text, size_t size) {
  size_t at = 0;
  if (size < 127) {
    out[at++] = (char)size;
  } else {
    out[at++] = 127;
    size_t rest = size - 127;
    for (; rest >= 128; rest >>= 7) out[at++] = (char)(rest % 128 + 128);
    out[at++] = (char)rest;
  }
  memcpy(out + at, text, size);
  return at + size;
}

// The header blocks of the first call and of those that follow it.
static void header_blocks(const struct target* t, struct blob* first, struct blob* later) {
  char* out = first->data;
  size_t at = 0;
  int added = 0;
  char host[32];
  char length[24];
  const size_t host_size = (size_t)sprintf(host, "127.0.0.1:%u", t->port);
  const size_t length_size = (size_t)sprintf(length, "%zu", t->body.size);
  out[at++] = (char)0x83;  // :method POST
  out[at++] = (char)0x87;  // :scheme https
  out[at++] = 0x44;        // :path, into the table
  at += put_text(out + at, t->path, strlen(t->path));
  out[at++] = 0x41;  // :authority
  at += put_text(out + at, host, host_size);
  out[at++] = 0x5c;  // content-length
  at += put_text(out + at, length, length_size);
  added = 3;
  const char* end = t->headers.data + t->headers.size;
  for (const char* line = t->headers.data; line < end;) {
    const char* stop = memchr(line, '\n', (size_t)(end - line));
    const char* colon = memchr(line, ':', (size_t)(stop - line));
    char name[128];
    const size_t name_size = (size_t)(colon - line) < sizeof name ? (size_t)(colon - line) : sizeof name;
    for (size_t i = 0; i < name_size; ++i) name[i] = (char)tolower((unsigned char)line[i]);
    out[at++] = 0x40;
    at += put_text(out + at, name, name_size);
    at += put_text(out + at, colon + 2, (size_t)(stop - colon - 2));
    ++added;
    line = stop + 1;
  }
  first->size = at;
  later->data[0] = (char)0x83;
  later->data[1] = (char)0x87;
  // The table's newest entry is 62.
  for (int i = 0; i < added; ++i) later->data[2 + i] = (char)(0x80 | (62 + added - 1 - i));
  later->size = 2 + (size_t)added;
}

static struct call make_call(const struct target* t, struct blob block, const char* before, size_t before_size) {
  const size_t id = find_id(t->body);
  const size_t frames = t->body.size / MOST_PAYLOAD + 2;
  char* out = allocate(before_size + block.size + t->body.size + (frames + 1) * FRAME_HEAD);
  memcpy(out, before, before_size);
  size_t at = before_size;
  at += put_frame(out + at, block.size, HEADERS, END_HEADERS, 1);
  memcpy(out + at, block.data, block.size);
  at += block.size;
  struct call made = {.id_at = at + FRAME_HEAD + id};
  for (size_t done = 0; done < t->body.size;) {
    const size_t part = t->body.size - done < MOST_PAYLOAD ? t->body.size - done : MOST_PAYLOAD;
    at += put_frame(out + at, part, DATA, done + part == t->body.size ? END_STREAM : 0, 1);
    memcpy(out + at, t->body.data + done, part);
    at += part;
    done += part;
  }
  made.bytes = (struct blob){out, at};
  return made;
}

static bool prepare(struct target* t) {
  const size_t id = find_id(t->body);
  if (id > MOST_PAYLOAD - ID_DIGITS || t->headers.size > 3500 || t->token_count > 0) return false;
  char first[8192];
  char later[128];
  char before[128];
  struct blob first_block = {first, 0};
  struct blob later_block = {later, 0};
  header_blocks(t, &first_block, &later_block);
  size_t size = sizeof preface - 1;
  memcpy(before, preface, size);
  size += put_frame(before + size, 6, SETTINGS, 0, 0);
  before[size++] = 0;
  before[size++] = 4;  // SETTINGS_INITIAL_WINDOW_SIZE
  size += put_u32(before + size, INT32_MAX);
  size += put_frame(before + size, 4, WINDOW_UPDATE, 0, 0);
  size += put_u32(before + size, INT32_MAX - FIRST_WINDOW);
  t->first = make_call(t, first_block, before, size);
  t->later = make_call(t, later_block, "", 0);
  return true;
}

static void opened(struct connection* c) {
  struct http2_state* s = &c->as.h2;
  memset(s, 0, sizeof *s);
  s->connection_window = s->initial_window = FIRST_WINDOW;
  set_call(c, &c->target->first);
}

// Frames that may go out now: all but DATA that the server has no room for.
static void open_window(struct connection* c) {
  struct http2_state* s = &c->as.h2;
  while (c->may_send < c->call.bytes.size) {
    const char* frame = c->call.bytes.data + c->may_send;
    const size_t size = frame_size(frame);
    if (frame[3] == DATA) {
      if ((int64_t)size > s->connection_window || (int64_t)size > s->stream_window) return;
      s->connection_window -= (int64_t)size;
      s->stream_window -= (int64_t)size;
    }
    c->may_send += FRAME_HEAD + size;
  }
}

static void begin(struct connection* c) {
  struct http2_state* s = &c->as.h2;
  if (s->opened && s->stream == 1) set_call(c, &c->target->later);
  s->stream = s->opened ? s->stream + 2 : 1;
  const size_t start = s->opened ? 0 : sizeof preface - 1;
  s->opened = true;
  for (size_t at = start; at < c->call.bytes.size;) {
    char* frame = c->call.bytes.data + at;
    if (frame[3] == DATA || frame[3] == HEADERS) put_u32(frame + 5, s->stream);
    at += FRAME_HEAD + frame_size(frame);
  }
  s->stream_window = s->initial_window;
  c->may_send = start;
  open_window(c);
}

static void control(struct http2_state* s, int type, int flags, uint32_t stream, const void* payload, size_t size) {
  if (s->control_size + FRAME_HEAD + size > sizeof s->control) return;
  s->control_size += put_frame(s->control + s->control_size, size, type, flags, stream);
  memcpy(s->control + s->control_size, payload, size);
  s->control_size += size;
}

static void settings(struct connection* c) {
  struct http2_state* s = &c->as.h2;
  for (size_t at = 0; at + 6 <= s->kept_filled; at += 6) {
    if (s->kept[at] != 0 || s->kept[at + 1] != 4) continue;
    const int64_t now = get_u32(s->kept + at + 2);
    s->stream_window += now - s->initial_window;
    s->initial_window = now;
  }
  control(s, SETTINGS, ACK, 0, "", 0);
  open_window(c);
}

static enum progress framed(struct connection* c) {
  struct http2_state* s = &c->as.h2;
  const int flags = s->frame[4];
  const uint32_t stream = get_u32(s->frame + 5) & 0x7fffffff;
  switch (s->frame[3]) {
    case HEADERS: {
      size_t at = 0;
      while (at < s->kept_filled && (s->kept[at] & 0xe0) == 0x20) ++at;  // the header table's size
      c->status = at < s->kept_filled && s->kept[at] == 0x88 ? 200 : 599;
      break;
    }
    case DATA:
      c->answer_bytes += frame_size((const char*)s->frame);
      s->received += frame_size((const char*)s->frame);
      if (s->received >= WINDOW_GIVEN_BACK) {
        char size[4];
        put_u32(size, (uint32_t)s->received);
        control(s, WINDOW_UPDATE, 0, 0, size, 4);
        s->received = 0;
      }
      break;
    case RST_STREAM:
    case GOAWAY: return BROKEN;
    case SETTINGS:
      if (!(flags & ACK)) settings(c);
      return MORE;
    case PING:
      if (!(flags & ACK)) control(s, PING, ACK, 0, s->kept, 8);
      return MORE;
    case WINDOW_UPDATE:
      if (stream == 0) s->connection_window += get_u32(s->kept) & 0x7fffffff;
      if (stream == s->stream) s->stream_window += get_u32(s->kept) & 0x7fffffff;
      open_window(c);
      return MORE;
    default: return MORE;
  }
  return stream == s->stream && (flags & END_STREAM) ? ANSWERED : MORE;
}

static enum progress take(struct connection* c, const char* data, size_t size) {
  struct http2_state* s = &c->as.h2;
  enum progress found = MORE;
  for (const char* end = data + size; data < end;) {
    if (s->frame_filled < FRAME_HEAD) {
      s->frame[s->frame_filled++] = (unsigned char)*data++;
      if (s->frame_filled < FRAME_HEAD) continue;
      s->payload_left = frame_size((const char*)s->frame);
      s->kept_filled = 0;
    }
    const size_t part = (size_t)(end - data) < s->payload_left ? (size_t)(end - data) : s->payload_left;
    const size_t room = sizeof s->kept - s->kept_filled < part ? sizeof s->kept - s->kept_filled : part;
    memcpy(s->kept + s->kept_filled, data, room);
    s->kept_filled += room;
    s->payload_left -= part;
    data += part;
    if (s->payload_left > 0) continue;
    s->frame_filled = 0;
    const enum progress now = framed(c);
    if (now == BROKEN) return BROKEN;
    if (now == ANSWERED) found = ANSWERED;
  }
  return found;
}

const struct protocol http2 = {"h2", true, "\2h2", prepare, opened, begin, take};
