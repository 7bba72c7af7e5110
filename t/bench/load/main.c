// The benchmark's load: calls over connections that are kept, in slices of any length, closed loop or at a constant
// rate. It reads commands, one a line, and answers each with a line of JSON:
//
//   open NAME PORT http1|tls|h2 CONNECTIONS PATH HEADERS_FILE BODY_FILE [TOKENS_FILE]
//   run NAME SECONDS RATE     RATE calls a second, or 0: each connection calls again as soon as it was answered
//   close NAME
//
// Its one argument, if it has one, is a file with a certificate and its key, for servers that ask.
// Every call has a JSON-RPC id of its own. At a constant rate latency counts from the moment when the call was due,
// whether or not a connection was free then: what waits behind a slow answer is slow, too.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

// Of one slice. A latency's bucket has its seven highest bits: 0.8 % wide.
enum { BUCKETS = 64 << 7 };
struct tally {
  unsigned long total, errors, not_200;
  int64_t last;        // when the last answer was whole
  size_t least, most;  // bytes of an answer
  unsigned histogram[BUCKETS];
};

static struct target* targets[MAX_TARGETS];
static struct tally tally;
static unsigned long next_id = 100000000;
static const int64_t patience = 10000000000;  // ns after the slice's end

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void* allocate(size_t size) {
  void* out = malloc(size);
  if (out == NULL) abort();
  return out;
}

size_t find_id(struct blob body) {
  const char* found = memmem(body.data, body.size, "\"id\":", 5);
  if (found == NULL || strspn(found + 5, "0123456789") != ID_DIGITS) return SIZE_MAX;
  return (size_t)(found + 5 - body.data);
}

void set_call(struct connection* c, const struct call* call) {
  free(c->call.bytes.data);
  c->call = *call;
  c->call.bytes.data = memcpy(allocate(call->bytes.size), call->bytes.data, call->bytes.size);
}

bool flush(struct connection* c) {
  while (c->busy && c->sent < c->may_send) {
    const ssize_t done = wire_send(c, c->call.bytes.data + c->sent, c->may_send - c->sent);
    if (done <= 0) return done == 0;
    c->sent += (size_t)done;
  }
  if (c->target->protocol != &http2) return true;
  struct http2_state* s = &c->as.h2;
  while (s->control_size > 0) {
    const ssize_t done = wire_send(c, s->control, s->control_size);
    if (done <= 0) return done == 0;
    s->control_size -= (size_t)done;
    memmove(s->control, s->control + done, s->control_size);
  }
  return true;
}

static bool connect_one(struct connection* c) {
  if (!wire_open(c)) return false;
  c->busy = false;
  c->target->protocol->opened(c);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  return epoll_ctl(c->target->poll, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

static void reconnect(struct connection* c) {
  wire_close(c);
  if (!connect_one(c)) {
    fprintf(stderr, "load: port %u takes no connections any more\n", c->target->port);
    exit(1);
  }
}

static void begin(struct connection* c, int64_t when) {
  struct target* t = c->target;
  c->begun = when;
  c->busy = true;
  c->sent = c->may_send = c->answer_bytes = 0;
  c->status = 0;
  t->protocol->begin(c);
  char id[ID_DIGITS + 1];
  snprintf(id, sizeof id, "%09lu", next_id++ % 1000000000);
  memcpy(c->call.bytes.data + c->call.id_at, id, ID_DIGITS);
  if (t->token_count > 0) {
    const char* token = t->tokens.data + t->next_token * (t->token_size + 1);
    memcpy(c->call.bytes.data + c->call.token_at, token, t->token_size);
    t->next_token = (t->next_token + 1) % t->token_count;
  }
}

static unsigned bucket(int64_t ns) {
  const uint64_t value = ns > 0 ? (uint64_t)ns : 0;
  if (value < 256) return (unsigned)value;
  const unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - 7;
  return (shift << 7) + (unsigned)(value >> shift);
}

static void count(struct connection* c, int64_t end) {
  ++tally.total;
  tally.last = end;
  if (c->status != 200) ++tally.not_200;
  if (c->answer_bytes < tally.least) tally.least = c->answer_bytes;
  if (c->answer_bytes > tally.most) tally.most = c->answer_bytes;
  ++tally.histogram[bucket(end - c->begun)];
}

// What the connection has to say. True: it is free now, its call was counted.
static bool attend(struct connection* c) {
  static char received[1 << 18];
  bool answered = false;
  if (flush(c)) {
    for (;;) {
      const ssize_t got = wire_receive(c, received, sizeof received);
      if (got == 0) return answered;
      if (got < 0) break;
      const enum progress so_far = c->target->protocol->take(c, received, (size_t)got);
      if (so_far == BROKEN || !flush(c)) break;
      if (so_far == ANSWERED && c->busy) {
        c->busy = false;
        count(c, now());
        answered = true;
      }
      // Without TLS nothing can be left: the next bytes are another event.
      if (c->tls == NULL && (size_t)got < sizeof received) return answered;
    }
  }
  const bool lost = c->busy;
  if (lost) ++tally.errors;
  reconnect(c);
  return lost || answered;
}

static void wait_until(struct target* t, struct epoll_event* ready, int* count_ready, int most, int64_t until) {
  const int64_t left = until - now();
  const struct timespec timeout = {.tv_sec = left > 0 ? left / 1000000000 : 0,
                                   .tv_nsec = left > 0 ? left % 1000000000 : 0};
  *count_ready = epoll_pwait2(t->poll, ready, most, &timeout, NULL);
}

// The calls that are due; returns when the next one is.
static int64_t begin_due(struct target* t, int64_t start, int64_t stop, double rate, unsigned long* begun) {
  for (;;) {
    const int64_t due = start + (int64_t)((double)*begun * 1e9 / rate);
    if (due >= stop || t->idle_count == 0) return INT64_MAX;
    if (due > now()) return due;
    struct connection* c = t->idle[--t->idle_count];
    ++*begun;
    begin(c, due);
    if (!flush(c)) {
      ++tally.errors;
      reconnect(c);
      t->idle[t->idle_count++] = c;
    }
  }
}

static void again(struct connection* c, int64_t stop) {
  struct target* t = c->target;
  for (;;) {
    const int64_t when = now();
    if (when >= stop) break;
    begin(c, when);
    if (flush(c)) return;
    ++tally.errors;
    reconnect(c);
  }
  t->idle[t->idle_count++] = c;
}

static void run(struct target* t, double seconds, double rate) {
  memset(&tally, 0, sizeof tally);
  tally.least = SIZE_MAX;
  const int64_t start = now();
  const int64_t stop = start + (int64_t)(seconds * 1e9);
  unsigned long begun = 0;
  t->idle_count = 0;
  for (int i = 0; i < t->count; ++i) {
    if (rate > 0)
      t->idle[t->idle_count++] = &t->connections[i];
    else
      again(&t->connections[i], stop);
  }
  for (;;) {
    int64_t next = rate > 0 ? begin_due(t, start, stop, rate, &begun) : INT64_MAX;
    if (next == INT64_MAX && t->idle_count == t->count) break;
    if (next == INT64_MAX) next = stop + patience;
    struct epoll_event ready[256];
    int found = 0;
    wait_until(t, ready, &found, 256, next);
    for (int i = 0; i < found; ++i) {
      struct connection* c = ready[i].data.ptr;
      if (!attend(c)) continue;
      if (rate > 0)
        t->idle[t->idle_count++] = c;
      else
        again(c, stop);
    }
    if (now() < stop + patience) continue;
    for (int i = 0; i < t->count; ++i) {
      if (!t->connections[i].busy) continue;
      ++tally.errors;
      reconnect(&t->connections[i]);
    }
    break;
  }
  const double took = tally.total > 0 ? (double)(tally.last - start) / 1e9 : seconds;
  printf("{\"total\":%lu,\"seconds\":%.6f,\"errors\":%lu,\"not_200\":%lu,\"bytes\":[%zu,%zu],\"histogram\":[",
         tally.total, took, tally.errors, tally.not_200, tally.total ? tally.least : 0, tally.most);
  const char* comma = "";
  for (int i = 0; i < BUCKETS; ++i) {
    if (tally.histogram[i] == 0) continue;
    printf("%s[%d,%u]", comma, i, tally.histogram[i]);
    comma = ",";
  }
  printf("]}\n");
}

static bool read_file(const char* name, struct blob* out) {
  FILE* file = fopen(name, "rb");
  if (file == NULL) return false;
  fseek(file, 0, SEEK_END);
  out->size = (size_t)ftell(file);
  rewind(file);
  out->data = allocate(out->size + 1);
  out->data[out->size] = '\0';
  const bool whole = fread(out->data, 1, out->size, file) == out->size;
  fclose(file);
  return whole;
}

static struct target** slot(const char* name) {
  struct target** empty = NULL;
  for (int i = 0; i < MAX_TARGETS; ++i) {
    if (targets[i] == NULL)
      empty = empty == NULL ? &targets[i] : empty;
    else if (strcmp(targets[i]->name, name) == 0)
      return &targets[i];
  }
  return empty;
}

static const char* open_target(char** words, int count_words) {
  struct target** at = slot(words[1]);
  if (count_words < 8 || at == NULL || *at != NULL) return "open: too few words, too many targets or a name twice";
  struct target* t = memset(allocate(sizeof *t), 0, sizeof *t);
  snprintf(t->name, sizeof t->name, "%s", words[1]);
  t->port = (unsigned short)atoi(words[2]);
  t->count = atoi(words[4]);
  t->path = strdup(words[5]);
  for (const struct protocol** p = (const struct protocol*[]){&http1, &https1, &http2, NULL}; *p != NULL; ++p)
    if (strcmp((*p)->name, words[3]) == 0) t->protocol = *p;
  if (t->protocol == NULL || t->count < 1) return "open: no such protocol, or no connections";
  if (!read_file(words[6], &t->headers) || !read_file(words[7], &t->body)) return "open: a file can't be read";
  if (count_words > 8) {
    if (!read_file(words[8], &t->tokens)) return "open: the tokens can't be read";
    t->token_size = strcspn(t->tokens.data, "\n");
    t->token_count = t->tokens.size / (t->token_size + 1);
  }
  if (!t->protocol->prepare(t)) return "open: such calls can't be made";
  t->poll = epoll_create1(EPOLL_CLOEXEC);
  t->connections =
      memset(allocate((size_t)t->count * sizeof *t->connections), 0, (size_t)t->count * sizeof *t->connections);
  t->idle = allocate((size_t)t->count * sizeof(struct connection*));
  for (int i = 0; i < t->count; ++i) {
    t->connections[i].target = t;
    if (!connect_one(&t->connections[i])) return "open: no connection";
  }
  *at = t;
  return NULL;
}

static void close_target(struct target** at) {
  struct target* t = *at;
  for (int i = 0; i < t->count; ++i) {
    wire_close(&t->connections[i]);
    free(t->connections[i].call.bytes.data);
  }
  close(t->poll);
  free(t->connections);
  free(t->idle);
  free(t->path);
  free(t->headers.data);
  free(t->body.data);
  free(t->tokens.data);
  free(t->first.bytes.data);
  free(t->later.bytes.data);
  free(t);
  *at = NULL;
}

int main(int argc, char** argv) {
  client_certificate = argc > 1 ? argv[1] : NULL;
  prctl(PR_SET_TIMERSLACK, 1);
  signal(SIGINT, SIG_IGN);  // it ends when its input does
  char* line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    char* words[10] = {NULL};
    int many = 0;
    for (char* word = strtok(line, " \n"); word != NULL && many < 9; word = strtok(NULL, " \n")) words[many++] = word;
    if (many < 2) continue;
    struct target** at = slot(words[1]);
    const char* wrong = NULL;
    if (strcmp(words[0], "open") == 0) {
      wrong = open_target(words, many);
      if (wrong == NULL) printf("{}\n");
    } else if (at == NULL || *at == NULL) {
      wrong = "no such target";
    } else if (strcmp(words[0], "run") == 0 && many == 4) {
      run(*at, strtod(words[2], NULL), strtod(words[3], NULL));
    } else if (strcmp(words[0], "close") == 0) {
      close_target(at);
      printf("{}\n");
    } else {
      wrong = "open, run or close";
    }
    if (wrong != NULL) printf("{\"error\":\"%s\"}\n", wrong);
    fflush(stdout);
  }
  free(line);
  return 0;
}
