// The backend of the benchmark: one thread, epoll, keep-alive, constant answers. It must cost next to nothing, so that
// what is measured is nginx. Usage: backend PORT BODY_BYTES
// POST is answered with a JSON-RPC result of BODY_BYTES, or of N where the target says `bytes=N`; with a list of N
// tools where it says `tools=N`, every second one named seen.*, the others hidden.*; with a stream of N progress events
// and a result where it says `events=N`, an event every fifth of a millisecond. GET is answered with a stream of events
// that stays open after its first event.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
  MAX_FD = 65536,
  HEAD = 8192,
  EVENTS = 256,
  RECEIVED = 1 << 18,
  SIZES = 8,
  MOST_BYTES = 1 << 26,
  MOST_ITEMS = 100000
};

enum kind { RESULT, TOOLS, STREAM };

struct answer {
  enum kind kind;
  size_t asked;  // bytes, tools or events
  size_t bytes;  // of the body
  size_t size;  // of head and body
  char* data;
  size_t* parts;  // where each part that is sent by itself ends; null: all at once
};

struct connection {
  size_t head_size;  // bytes of a head that isn't whole yet
  size_t body_left;  // bytes of the request's body that are still to come
  const struct answer* answer;
  size_t sent;
  size_t part;  // which one is being sent
  bool may_begin;  // the time for it has come
  bool listed;  // among the busy ones
  char head[HEAD + 1];
};

static struct connection* connections[MAX_FD];
static struct answer answers[SIZES];
static struct answer stream;
static size_t usual_bytes;
static int busy[MAX_FD];  // those whose answer comes in parts
static int busy_count;

static void die(const char* what) {
  perror(what);
  exit(1);
}

static struct answer make_answer(size_t asked) {
  size_t body = asked;
  static const char head[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"";
  static const char tail[] = "\"}],\"isError\":false}}";
  const size_t frame = sizeof head - 1 + sizeof tail - 1;
  if (body < frame) body = frame;
  struct answer out = {.kind = RESULT, .asked = asked, .bytes = body, .data = malloc(body + 256)};
  if (out.data == NULL) die("malloc");
  out.size = (size_t)sprintf(out.data,
                             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body);
  memcpy(out.data + out.size, head, sizeof head - 1);
  out.size += sizeof head - 1;
  memset(out.data + out.size, 'x', body - frame);
  out.size += body - frame;
  memcpy(out.data + out.size, tail, sizeof tail - 1);
  out.size += sizeof tail - 1;
  return out;
}

static struct answer make_tools(size_t count) {
  struct answer out = {.kind = TOOLS, .asked = count};
  char* body = malloc(count * 512 + 256);
  out.data = malloc(count * 512 + 512);
  if (body == NULL || out.data == NULL) die("malloc");
  out.bytes = (size_t)sprintf(body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[");
  for (size_t i = 0; i < count; ++i)
    out.bytes += (size_t)sprintf(
        body + out.bytes,
        "%s{\"name\":\"%s.%zu\",\"title\":\"Tool %zu\",\"description\":\"Looks up what the customer wrote about "
        "\\\"%zu\\\" "
        "and says what to "
        "do\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"limit\":"
        "{\"type\":\"integer\",\"default\":10}},\"required\":[\"id\"]},\"annotations\":{\"readOnlyHint\":true}}",
        i == 0 ? "" : ",", i % 2 == 0 ? "seen" : "hidden", i, i, i);
  out.bytes += (size_t)sprintf(body + out.bytes, "]}}");
  out.size = (size_t)sprintf(
      out.data, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", out.bytes, body);
  free(body);
  return out;
}

static size_t append_chunk(char* to, const char* event) {
  return (size_t)sprintf(to, "%zx\r\n%s\r\n", strlen(event), event);
}

static struct answer make_events(size_t count) {
  struct answer out = {.kind = STREAM, .asked = count, .data = malloc(count * 256 + 512)};
  char event[256];
  out.parts = malloc((count + 1) * sizeof(size_t));
  if (out.data == NULL || out.parts == NULL) die("malloc");
  out.size = (size_t)sprintf(
      out.data, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (size_t i = 1; i <= count; ++i) {
    out.bytes +=
        (size_t)sprintf(event,
                        "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":"
                        "{\"progressToken\":1,\"progress\":%zu,\"total\":%zu}}\n\n",
                        i, count);
    out.size += append_chunk(out.data + out.size, event);
    out.parts[i - 1] = out.size;
  }
  out.bytes +=
      (size_t)sprintf(event, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n\n");
  out.size += append_chunk(out.data + out.size, event);
  out.size += (size_t)sprintf(out.data + out.size, "0\r\n\r\n");
  out.parts[count] = out.size;
  return out;
}

static const struct answer* answer_of(enum kind kind, size_t asked) {
  static struct answer (*const make[])(size_t) = {make_answer, make_tools, make_events};
  for (int i = 0; i < SIZES; ++i) {
    if (answers[i].data == NULL) answers[i] = make[kind](asked);
    if ((answers[i].kind == kind && answers[i].asked == asked) || i == SIZES - 1) return &answers[i];
  }
  return NULL;
}

// N of `name=N` in the target, or `otherwise`.
static size_t number(const char* head, const char* name, size_t otherwise) {
  const char* asked = strstr(head, name);
  return asked != NULL && asked < strchr(head, '\r') ? strtoul(asked + strlen(name), NULL, 10) : otherwise;
}

static void drop(int fd) {
  close(fd);
  free(connections[fd]);
  connections[fd] = NULL;
}

// False when the connection is broken.
static bool flush(int fd) {
  struct connection* c = connections[fd];
  while (c->answer != NULL) {
    const size_t end = c->answer->parts == NULL ? c->answer->size : c->answer->parts[c->part];
    if (c->answer->parts != NULL && !c->may_begin) return true;
    const ssize_t done = send(fd, c->answer->data + c->sent, end - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0) return errno == EAGAIN || errno == EINTR;
    c->sent += (size_t)done;
    if (c->sent < end) continue;
    c->may_begin = false;
    ++c->part;
    if (c->sent == c->answer->size) c->answer = NULL;
  }
  return true;
}

// The next part of every answer that comes in parts.
static void tick(void) {
  int left = 0;
  for (int i = 0; i < busy_count; ++i) {
    const int fd = busy[i];
    struct connection* c = connections[fd];
    if (c == NULL) continue;
    c->listed = c->answer != NULL && c->answer->parts != NULL;
    if (!c->listed) continue;
    c->may_begin = true;
    if (flush(fd))
      busy[left++] = fd;
    else
      drop(fd);
  }
  busy_count = left;
}

// The head is whole and ends in a zero byte: what it asks for, and how long its body is.
static void understand(struct connection* c) {
  for (const char* line = strchr(c->head, '\n'); line != NULL; line = strchr(line + 1, '\n'))
    if (strncasecmp(line + 1, "content-length:", 15) == 0) c->body_left = strtoul(line + 16, NULL, 10);
  const size_t bytes = number(c->head, "bytes=", usual_bytes);
  const size_t tools = number(c->head, "tools=", 0), events = number(c->head, "events=", 0);
  c->sent = c->part = 0;
  if (strncmp(c->head, "GET ", 4) == 0)
    c->answer = &stream;
  else if (tools > 0)
    c->answer = answer_of(TOOLS, tools < MOST_ITEMS ? tools : MOST_ITEMS);
  else if (events > 0)
    c->answer = answer_of(STREAM, events < MOST_ITEMS ? events : MOST_ITEMS);
  else
    c->answer = answer_of(RESULT, bytes < MOST_BYTES ? bytes : MOST_BYTES);
}

// What was received; an answer is due as soon as the body it answers is whole. False when it can't be a request.
static bool take(int fd, const char* data, size_t size) {
  struct connection* c = connections[fd];
  while (size > 0) {
    if (c->body_left > 0) {
      const size_t part = size < c->body_left ? size : c->body_left;
      c->body_left -= part;
      data += part;
      size -= part;
    } else {
      const size_t before = c->head_size;
      const size_t room = HEAD - before < size ? HEAD - before : size;
      memcpy(c->head + before, data, room);
      const size_t from = before < 3 ? 0 : before - 3;
      const char* end = memmem(c->head + from, before + room - from, "\r\n\r\n", 4);
      if (end == NULL) {
        c->head_size = before + room;
        return c->head_size < HEAD;
      }
      const size_t head = (size_t)(end - c->head) + 4;
      c->head[head] = '\0';
      c->head_size = 0;
      data += head - before;
      size -= head - before;
      understand(c);
    }
    if (c->body_left > 0) continue;
    if (c->answer != NULL && c->answer->parts != NULL && !c->listed && busy_count < MAX_FD) {
      c->listed = true;
      busy[busy_count++] = fd;
    }
    if (!flush(fd)) return false;
  }
  return true;
}

static void serve(int fd) {
  static char received[RECEIVED];
  struct connection* c = connections[fd];
  if (c == NULL) return;
  if (c->answer != NULL && c->body_left == 0 && !flush(fd)) {
    drop(fd);
    return;
  }
  for (;;) {
    const ssize_t got = recv(fd, received, sizeof received, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || !take(fd, received, (size_t)got)) {
      drop(fd);
      return;
    }
    if ((size_t)got < sizeof received) return;  // edge-triggered: more to come is another event
  }
}

static void make_stream(void) {
  static const char event[] = "event: message\ndata: {\"open\":true}\n\n";
  static char text[256];
  stream.data = text;
  stream.size = (size_t)snprintf(text, sizeof text,
                                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked"
                                 "\r\n\r\n%zx\r\n%s\r\n",
                                 sizeof event - 1, event);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: backend PORT BODY_BYTES\n");
    return 2;
  }
  usual_bytes = answer_of(RESULT, strtoul(argv[2], NULL, 10))->bytes;
  make_stream();
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) die("bind");
  if (listen(listener, 4096) != 0) die("listen");

  const int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const struct itimerspec every = {.it_interval.tv_nsec = 200000, .it_value.tv_nsec = 200000};
  if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) != 0) die("timerfd");
  event.data.fd = timer;
  epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
  for (;;) {
    struct epoll_event ready[EVENTS];
    const int count = epoll_wait(poll, ready, EVENTS, -1);
    for (int i = 0; i < count; ++i) {
      if (ready[i].data.fd == timer) {
        uint64_t times;
        if (read(timer, &times, sizeof times) == sizeof times) tick();
        continue;
      }
      if (ready[i].data.fd != listener) {
        serve(ready[i].data.fd);
        continue;
      }
      const int fd = accept4(listener, NULL, NULL, 0);
      if (fd < 0) continue;
      if (fd >= MAX_FD || (connections[fd] = calloc(1, sizeof(struct connection))) == NULL) {
        close(fd);
        continue;
      }
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
      epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
  }
}
