// The backend of the benchmark: one thread, epoll, keep-alive, one constant answer. It must cost next to
// nothing, so that what is measured is nginx. Usage: backend PORT BODY_BYTES
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 4096, BUFFER = 16384, EVENTS = 256 };

struct connection {
  size_t filled;
  char data[BUFFER + 1];
};

static struct connection* connections[MAX_FD];
static char answer[BUFFER];
static size_t answer_size;

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void make_answer(size_t body) {
  static const char head[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"";
  static const char tail[] = "\"}],\"isError\":false}}";
  const size_t frame = sizeof head - 1 + sizeof tail - 1;
  if (body < frame) body = frame;
  if (body > BUFFER - 256) body = BUFFER - 256;
  answer_size = (size_t)snprintf(
      answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body);
  memcpy(answer + answer_size, head, sizeof head - 1);
  answer_size += sizeof head - 1;
  memset(answer + answer_size, 'x', body - frame);
  answer_size += body - frame;
  memcpy(answer + answer_size, tail, sizeof tail - 1);
  answer_size += sizeof tail - 1;
}

// Bytes of the first complete request, 0 when more must come, -1 when it can't be one.
static long request_size(const struct connection* c) {
  const char* end = memmem(c->data, c->filled, "\r\n\r\n", 4);
  if (end == NULL) return c->filled < BUFFER ? 0 : -1;
  size_t body = 0;
  for (const char* line = c->data; line < end;) {
    if (strncasecmp(line, "content-length:", 15) == 0) body = strtoul(line + 15, NULL, 10);
    line = (const char*)memchr(line, '\n', (size_t)(end + 2 - line)) + 1;
  }
  const size_t size = (size_t)(end - c->data) + 4 + body;
  if (size > BUFFER) return -1;
  return size <= c->filled ? (long)size : 0;
}

static void drop(int fd) {
  close(fd);
  free(connections[fd]);
  connections[fd] = NULL;
}

static void serve(int fd) {
  struct connection* c = connections[fd];
  for (;;) {
    const ssize_t got = recv(fd, c->data + c->filled, BUFFER - c->filled, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      drop(fd);
      return;
    }
    c->filled += (size_t)got;
    c->data[c->filled] = '\0';
    long size;
    while ((size = request_size(c)) > 0) {
      if (send(fd, answer, answer_size, MSG_NOSIGNAL) != (ssize_t)answer_size) {
        drop(fd);
        return;
      }
      c->filled -= (size_t)size;
      memmove(c->data, c->data + size, c->filled + 1);
    }
    if (size < 0) {
      drop(fd);
      return;
    }
    if (c->filled == 0) return;
  }
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: backend PORT BODY_BYTES\n");
    return 2;
  }
  make_answer(strtoul(argv[2], NULL, 10));

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) die("bind");
  if (listen(listener, 512) != 0) die("listen");

  const int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct epoll_event ready[EVENTS];
    const int count = epoll_wait(poll, ready, EVENTS, -1);
    for (int i = 0; i < count; ++i) {
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
      event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
      epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
  }
}
